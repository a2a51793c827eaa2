//! What arrives, taken apart: the envelope of SNS, and iVvy's message inside it, each with the text its
//! signature is made over. Whatever the content type says, it is JSON; and all of it is hostile until the
//! signatures are checked.

use data_encoding::HEXLOWER;
use serde::Deserialize;
use sha1::{Digest as _, Sha1};

use crate::model::Timestamp;

/// What SNS posts. Only what is signed or needed is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Envelope {
    #[serde(rename = "Type")]
    pub kind: String,
    pub message_id: String,
    pub topic_arn: String,
    pub message: String,
    pub timestamp: String,
    pub signature_version: String,
    pub signature: String,
    #[serde(rename = "SigningCertURL")]
    pub signing_cert_url: String,
    pub subject: Option<String>,
    pub token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    pub subscribe_url: Option<String>,
}

impl Envelope {
    /// The text of signature version 1: names and values line by line, in the order of the names; a
    /// subject only where there is one, a token and its address only where something is to be confirmed.
    pub fn signed_text(&self) -> String {
        let confirms = self.kind != NOTIFICATION;
        let lines = [
            ("Message", Some(&self.message)),
            ("MessageId", Some(&self.message_id)),
            ("Subject", self.subject.as_ref().filter(|_| !confirms)),
            ("SubscribeURL", self.subscribe_url.as_ref().filter(|_| confirms)),
            ("Timestamp", Some(&self.timestamp)),
            ("Token", self.token.as_ref().filter(|_| confirms)),
            ("TopicArn", Some(&self.topic_arn)),
            ("Type", Some(&self.kind)),
        ];
        lines.iter().filter_map(|(name, value)| value.map(|value| format!("{name}\n{value}\n"))).collect()
    }

    /// When SNS was given it.
    pub fn at(&self) -> Option<Timestamp> {
        let at = chrono::DateTime::parse_from_rfc3339(&self.timestamp).ok()?;
        Some(Timestamp::from_millis(at.timestamp_millis()))
    }
}

/// The envelope's kind that carries a message.
pub(super) const NOTIFICATION: &str = "Notification";
/// The one that asks whether we want messages.
pub(super) const CONFIRMATION: &str = "SubscriptionConfirmation";
/// The one that says there will be none any more.
pub(super) const FAREWELL: &str = "UnsubscribeConfirmation";

/// What iVvy says inside an envelope.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Notice {
    pub txn_id: String,
    pub region: String,
    /// Unix seconds.
    pub timestamp: i64,
    pub account_id: String,
    pub subject: String,
    /// JSON once more, as text.
    pub body: String,
    pub signature: String,
    pub signing_public_key_path: String,
}

impl Notice {
    /// The text of iVvy's own signature.
    pub fn signed_text(&self) -> String {
        self.text_over(&HEXLOWER.encode(&Sha1::digest(self.body.as_bytes())))
    }

    fn text_over(&self, digest: &str) -> String {
        let Self { txn_id, region, timestamp, account_id, subject, .. } = self;
        format!("{txn_id}:{region}:{timestamp}:{account_id}:{subject}:{digest}").to_lowercase()
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        Timestamp::from_secs(self.timestamp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(json: &str) -> Envelope {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn sns_signs_names_and_values_in_the_order_of_the_names_n07() {
        let notification = r#"{"Type":"Notification","MessageId":"m-1","TopicArn":"arn:t","Subject":"S",
            "Message":"{}","Timestamp":"2026-11-21T10:00:00.500Z","SignatureVersion":"1","Signature":"",
            "SigningCertURL":"","UnsubscribeURL":"https://x","Token":"not signed here"}"#;
        let read = envelope(notification);
        assert_eq!(
            read.signed_text(),
            "Message\n{}\nMessageId\nm-1\nSubject\nS\nTimestamp\n2026-11-21T10:00:00.500Z\nTopicArn\narn:t\nType\nNotification\n"
        );
        assert_eq!(read.at(), Some(Timestamp::from_millis(1_795_255_200_500)));
        let without = envelope(&notification.replace(r#""Subject":"S","#, ""));
        assert!(!without.signed_text().contains("Subject"));

        let confirmation = envelope(
            r#"{"Type":"SubscriptionConfirmation","MessageId":"m","TopicArn":"arn","Token":"tok","Message":"hi",
            "SubscribeURL":"https://sns/?x","Timestamp":"T","SignatureVersion":"1","Signature":"","SigningCertURL":""}"#,
        );
        assert_eq!(
            confirmation.signed_text(),
            "Message\nhi\nMessageId\nm\nSubscribeURL\nhttps://sns/?x\nTimestamp\nT\nToken\ntok\nTopicArn\narn\nType\nSubscriptionConfirmation\n"
        );
    }

    #[test]
    fn ivvy_signs_the_text_of_the_contracts_sample_n07() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/ivvy_vectors.json")).unwrap();
        let notice = Notice {
            txn_id: "b898c04362bcbfe984f1867ce7db5599".into(),
            region: "stage".into(),
            timestamp: 1_710_115_244,
            account_id: "14".into(),
            subject: "CompanyAdded".into(),
            body: "{\"data\":{}}".into(),
            signature: String::new(),
            signing_public_key_path: String::new(),
        };
        let text = notice.text_over("7fb157be320332958bf1a3da64fd010ce26ff661");
        assert_eq!(Some(text.as_str()), vectors["notification_string_to_sign_sample"].as_str());
        let own = notice.signed_text();
        // sha1 of `{"data":{}}`, by sha1sum.
        assert!(own.ends_with(":companyadded:7e141c733cf11b06a8c665e95f09c5a1763bf544"), "{own}");
    }
}
