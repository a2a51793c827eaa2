//! The token of one call: a JWT of HS256 that we forge ourselves (contract 2.5).
//!
//! S-360 takes one that is less than a second old, so none is kept: every request has its own. Refuses to read
//! tokens: S-360 sends none.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use sha2::Sha256;

use super::settings::Operator;
use crate::model::Timestamp;

/// How long a token lives, in seconds; more is refused.
const LIFE: i64 = 30;

/// A token of `operator` for `institution`, issued `now`. Times are in whole seconds: the vendor's text says
/// milliseconds, its own sample and all public clients have seconds.
pub(super) fn forge(institution: &str, partner: &str, operator: &Operator, now: Timestamp) -> SecretString {
    let issued = now.millis() / 1000;
    let claims = json!({
        "sub": institution,
        "aud": operator.name,
        "iss": partner,
        "iat": issued,
        "exp": issued + LIFE,
    });
    let part = |json: &serde_json::Value| BASE64URL_NOPAD.encode(json.to_string().as_bytes());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104), so this cannot fail")]
    let mut mac = Hmac::<Sha256>::new_from_slice(operator.secret.expose_secret().as_bytes()).expect("any key length");
    mac.update(signed.as_bytes());
    SecretString::from(format!("{signed}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes())))
}

/// The same as the value of the header that carries it.
///
/// # Errors
/// Says that it does not fit a header.
pub(super) fn bearer(
    institution: &str,
    partner: &str,
    operator: &Operator,
    now: Timestamp,
) -> Result<HeaderValue, &'static str> {
    let bearer = format!("Bearer {}", forge(institution, partner, operator, now).expose_secret());
    let mut bearer = HeaderValue::try_from(bearer).map_err(|_| "the token does not fit a header")?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_who_for_whom_and_lives_thirty_seconds_s21() {
        let operator = Operator { name: "ACME_TANDEM".to_owned(), secret: SecretString::from("k") };
        let token = forge("ACME", "TANDEM", &operator, Timestamp::from_millis(1_600_695_485_999));
        let parts: Vec<&str> = token.expose_secret().split('.').collect();
        let json = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).unwrap()).unwrap()
        };
        assert_eq!(json(parts[0]), json!({"alg": "HS256", "typ": "JWT"}));
        let claims = json!({
            "sub": "ACME", "aud": "ACME_TANDEM", "iss": "TANDEM", "iat": 1_600_695_485_i64, "exp": 1_600_695_515_i64,
        });
        assert_eq!(json(parts[1]), claims);
        let mac = Hmac::<Sha256>::new_from_slice(b"k").unwrap();
        let signature = BASE64URL_NOPAD.decode(parts[2].as_bytes()).unwrap();
        mac.chain_update(format!("{}.{}", parts[0], parts[1])).verify_slice(&signature).unwrap();
        assert!(!format!("{operator:?}").contains("\"k\""));
    }
}
