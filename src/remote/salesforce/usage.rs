//! What Salesforce says about the org's calls: `Sforce-Limit-Info` (`contracts/crm.md` 3).

use http::HeaderMap;

use crate::remote::gate::Usage;

/// The org's calls within the last 24 hours and its limit, as every answer of the REST API tells:
/// `api-usage=25/15000`, among other figures that do not concern us. `None` when it is not told, or not
/// intelligibly.
pub fn usage(headers: &HeaderMap) -> Option<Usage> {
    let text = headers.get("sforce-limit-info")?.to_str().ok()?;
    let figures = text.split([';', ',']).find_map(|part| part.trim().strip_prefix("api-usage="))?;
    let (used, limit) = figures.split_once('/')?;
    Some(Usage { used: used.trim().parse().ok()?, limit: limit.trim().parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<(u64, u64)> {
        let headers = HeaderMap::from_iter([("sforce-limit-info".parse().unwrap(), text.parse().unwrap())]);
        usage(&headers).map(|usage| (usage.used, usage.limit))
    }

    #[test]
    fn the_orgs_figures_are_read_and_nothing_else() {
        assert_eq!(told("api-usage=25/15000"), Some((25, 15_000)));
        assert_eq!(told("api-usage=18/5000; per-app-api-usage=17/250(appName=Tandem)"), Some((18, 5_000)));
        assert_eq!(told("per-app-api-usage=17/250(appName=api-usage=1/2), api-usage=3/9"), Some((3, 9)));
        for nonsense in ["", "api-usage=", "api-usage=25", "api-usage=-1/10", "per-app-api-usage=17/250", "25/15000"] {
            assert_eq!(told(nonsense), None, "{nonsense}");
        }
        assert_eq!(usage(&HeaderMap::new()), None);
    }
}
