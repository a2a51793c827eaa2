//! SHA1withRSA, PKCS#1 v1.5: what SNS (version 1) and iVvy sign with.
//!
//! Nobody's choice today, and prescribed by the senders. Forging one still takes a second preimage, not a
//! collision, for whoever cannot choose the text that is signed.

use data_encoding::BASE64;
use ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RsaParameters,
    UnparsedPublicKey,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer,
    alg_id,
};
use webpki::{EndEntityCert, RawPublicKeyEntity};

/// A key to check signatures with.
#[derive(Clone, Debug)]
pub(super) enum PublicKey {
    /// The one in SNS's certificate, DER.
    Certificate(CertificateDer<'static>),
    /// iVvy's, DER.
    Bare(SubjectPublicKeyInfoDer<'static>),
}

impl PublicKey {
    /// The certificate in a PEM file; nothing if there is none, or one without a readable key.
    pub fn of_certificate(pem: &[u8]) -> Option<Self> {
        let certificate = CertificateDer::from_pem_slice(pem).ok()?;
        EndEntityCert::try_from(&certificate).ok()?;
        Some(Self::Certificate(certificate))
    }

    /// The public key in a PEM file; nothing if there is none that can be read.
    pub fn bare(pem: &[u8]) -> Option<Self> {
        let key = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok()?;
        RawPublicKeyEntity::try_from(&key).ok()?;
        Some(Self::Bare(key))
    }

    /// Whether `signature` (Base64) was made over `text` with the other half of this key.
    pub fn verifies(&self, text: &str, signature: &str) -> bool {
        let Ok(signature) = BASE64.decode(signature.as_bytes()) else { return false };
        let outcome = match self {
            Self::Certificate(certificate) => EndEntityCert::try_from(certificate)
                .and_then(|certificate| certificate.verify_signature(&AMAZON, text.as_bytes(), &signature)),
            Self::Bare(key) => RawPublicKeyEntity::try_from(key)
                .and_then(|key| key.verify_signature(&IVVY, text.as_bytes(), &signature)),
        };
        outcome.is_ok()
    }
}

/// How a signature is checked, for keys of at least a certain length.
#[derive(Clone, Copy)]
struct Sha1WithRsa(&'static RsaParameters);

impl std::fmt::Debug for Sha1WithRsa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sha1WithRsa")
    }
}

const AMAZON: Sha1WithRsa = Sha1WithRsa(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY);
/// The contract does not tell the length of iVvy's key. It is the inner of two signatures.
const IVVY: Sha1WithRsa = Sha1WithRsa(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY);

impl SignatureVerificationAlgorithm for Sha1WithRsa {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(self.0, public_key).verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        // sha1WithRSAEncryption, 1.2.840.113549.1.1.5, with its NULL.
        AlgorithmIdentifier::from_slice(&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &[u8] = include_bytes!("../sim/ivvy/notices/certificate.pem");
    const KEY: &[u8] = include_bytes!("../sim/ivvy/notices/public.pem");
    /// `printf 'a text' | openssl dgst -sha1 -sign key.pem | base64 -w0`.
    const SIGNATURE: &str = "Fst4tLqnJxnGfJ7MsdGdVlFuCfODMVOOmRNQRzfTC4zxGrYAQHcMK21K1wG2jjWlyjduBIEuVbaO/EfpfSeQTGRCzqyk+ZdV8sMetMx1+M5l4lEQcl19KPPIyhH/FdqmL45ONcDXC7EHEd02qb+3vMY8hz5j3mPwBxVOrnC5kxKTi73NKTQ4MStu18sHoU8k+dBhUEOI2TMHT70OjteeySlE3vIoEPw2Cw+nlLcitKNm7HCS8rb0bY6zX67hn9BOpbF49SNr1KRqZzWphJknLG7C4ak2Z44yokzhaPRcSZ/N/OsziHQiEAS9neIBYUBAlSIZ6h0j5xDQb00tNVlq+A==";

    #[test]
    fn what_openssl_signed_is_verified_with_certificate_and_bare_key_n07() {
        for key in [PublicKey::of_certificate(CERTIFICATE).unwrap(), PublicKey::bare(KEY).unwrap()] {
            assert!(key.verifies("a text", SIGNATURE));
            assert!(!key.verifies("a texT", SIGNATURE), "another text");
            let mut forged = SIGNATURE.to_owned();
            forged.replace_range(10..11, if &forged[10..11] == "A" { "B" } else { "A" });
            assert!(!key.verifies("a text", &forged), "another signature");
            for garbage in ["", "====", "not base64!", "AAAA"] {
                assert!(!key.verifies("a text", garbage));
            }
        }
    }

    #[test]
    fn what_is_no_key_is_none() {
        assert!(PublicKey::of_certificate(KEY).is_none(), "a key is no certificate");
        assert!(PublicKey::bare(CERTIFICATE).is_none(), "a certificate is no bare key");
        for garbage in [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"<html>404"] {
            assert!(PublicKey::of_certificate(garbage).is_none() && PublicKey::bare(garbage).is_none());
        }
    }
}
