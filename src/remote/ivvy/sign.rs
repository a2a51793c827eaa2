//! iVvy's request signature (`contracts/ivvy.md` 3).
//!
//! HMAC-SHA1 over a lower-cased line of the request's parts, MD5 over the body. Both algorithms are
//! iVvy's choice, not ours; nothing of Tandem's own is protected by them.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use secrecy::{ExposeSecret as _, SecretString};
use sha1::Sha1;

/// The version that is signed; the same as in the path.
pub(super) const API_VERSION: &str = "1.0";

/// The parts of a request that are signed, exactly as they are sent.
#[derive(Clone, Debug)]
pub(super) struct Signable<'a> {
    /// Value of `Content-MD5`.
    pub content_md5: &'a str,
    /// Value of `Content-Type`.
    pub content_type: &'a str,
    /// Value of `Date`; empty when `IVVY-Date` is sent.
    pub date: &'a str,
    /// Path, `?` and query.
    pub target: &'a str,
    /// Headers whose name begins with `IVVY`, as sent.
    pub ivvy_headers: &'a [(&'a str, &'a str)],
}

/// Lower-case hex MD5 of the exact body bytes, also of an empty body.
pub(super) fn content_md5(body: &[u8]) -> String {
    HEXLOWER.encode(&Md5::digest(body))
}

/// The line that is signed: every part without separators, lower-cased as a whole.
pub(super) fn string_to_sign(parts: &Signable<'_>) -> String {
    let by_name: BTreeMap<String, &str> =
        parts.ivvy_headers.iter().map(|(name, value)| (name.replace(['-', '_'], "").to_lowercase(), *value)).collect();
    let headers: Vec<String> = by_name.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!(
        "POST{}{}{}{}{API_VERSION}{}",
        parts.content_md5,
        parts.content_type,
        parts.date,
        parts.target,
        headers.join("&")
    )
    .to_lowercase()
}

/// Lower-case hex HMAC-SHA1 of `message`, keyed with the secret as it was given.
pub(super) fn signature(secret: &SecretString, message: &str) -> String {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length (RFC 2104), so this cannot fail")]
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes any key length");
    mac.update(message.as_bytes());
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../tests/data/ivvy_vectors.json")).unwrap()
    }

    #[test]
    fn the_hmac_printed_in_ivvys_documentation() {
        let vectors = vectors();
        let printed = &vectors["hmac_printed_in_docs"];
        let secret = SecretString::from(printed["secret"].as_str().unwrap());
        assert_eq!(signature(&secret, printed["message"].as_str().unwrap()), printed["hex"].as_str().unwrap());
    }

    #[test]
    fn every_vector_signs_as_recorded() {
        let vectors = vectors();
        let vectors = vectors["vectors"].as_array().unwrap();
        assert_eq!(vectors.len(), 8);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().unwrap();
            let name = text("name");
            let md5 = content_md5(text("body").as_bytes());
            assert_eq!(md5, text("content_md5"), "{name}");
            let headers: Vec<(&str, &str)> = vector["ivvy_headers"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
                .collect();
            let line = string_to_sign(&Signable {
                content_md5: &md5,
                content_type: text("content_type"),
                date: text("date"),
                target: text("uri"),
                ivvy_headers: &headers,
            });
            assert_eq!(line, text("string_to_sign"), "{name}");
            assert_eq!(signature(&text("secret").into(), &line), text("signature"), "{name}");
        }
    }
}
