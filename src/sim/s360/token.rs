//! Who may call: a token the caller forges itself for every request, or one of the login call (contract 2.5).
//!
//! A forged token is a JWT of HS256 only. `iat` has whole seconds, so its age is counted in whole seconds as
//! well: one is fine, two are not, in either direction. An algorithm, claim or spelling that is not exactly
//! the documented one is refused.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sha2::Sha256;

use super::answer::Refusal;
use super::settings::{Account, TokenUnit};

/// How old a token may be when it arrives, and how young, in seconds.
const AGE: i64 = 1;
/// How long it may live, in seconds.
const LIFE: i64 = 30;

/// Checks a forged token against the account it says it is for. `now` is in milliseconds of the simulator's
/// own clock.
///
/// # Errors
/// What is wrong with it; nothing of the token is in the text.
pub(super) fn check(token: &str, account: &Account, now: i64, unit: TokenUnit) -> Result<(), Refusal> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { return Err(Refusal::token("the token is no JWT")) };
    let json =
        |part: &str| -> Option<Value> { serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok() };
    let (head, body) = (json(header), json(claims));
    let (Some(Value::Object(head)), Some(Value::Object(body))) = (head, body) else {
        return Err(Refusal::token("the token is no JWT"));
    };
    if head.get("alg").and_then(Value::as_str) != Some("HS256") {
        return Err(Refusal::token("the token is not signed with HS256"));
    }
    if head.iter().any(|(name, value)| name != "alg" && (name != "typ" || value != "JWT")) {
        return Err(Refusal::token("the token's header has more than alg and typ"));
    }
    let signed = format!("{header}.{claims}");
    let mac = Hmac::<Sha256>::new_from_slice(account.secret.expose_secret().as_bytes());
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap_or_default();
    let right = mac.is_ok_and(|mac| mac.chain_update(signed.as_bytes()).verify_slice(&signature).is_ok());
    if !right {
        return Err(Refusal::token("the token's signature is wrong"));
    }
    for (claim, wanted) in [("sub", &account.code), ("aud", &account.operator), ("iss", &account.partner)] {
        if body.get(claim).and_then(Value::as_str) != Some(wanted) {
            return Err(Refusal::token(format!("'{claim}' is not what it must be")));
        }
    }
    let whole = |claim: &str| {
        let value = body.get(claim).and_then(Value::as_i64);
        value.ok_or_else(|| Refusal::token(format!("'{claim}' is no whole number")))
    };
    let (issued, expires) = (whole("iat")?, whole("exp")?);
    let per_second = match unit {
        TokenUnit::Seconds => 1,
        TokenUnit::Millis => 1000,
    };
    let (now, issued, expires) = (now.div_euclid(1000), issued.div_euclid(per_second), expires.div_euclid(per_second));
    if now.saturating_sub(issued) > AGE {
        return Err(Refusal::token("the token was issued too long ago"));
    }
    if issued.saturating_sub(now) > AGE {
        return Err(Refusal::token("the token was issued in the future"));
    }
    if expires <= now || expires.saturating_sub(issued) > LIFE {
        return Err(Refusal::token("the token is expired or lives too long"));
    }
    Ok(())
}
