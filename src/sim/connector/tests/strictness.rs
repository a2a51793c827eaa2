//! What is refused, in tables.

use proptest::prelude::*;

use super::*;

proptest! {
    /// Any text either comes back as it was or cannot be written.
    #[test]
    fn any_text_comes_back_or_cannot_be_written_p15(text in prop::arbitrary::any::<String>()) {
        let element = user("1", &[("firstname", &text)]);
        match element.document() {
            Ok(document) => {
                let read = Element::read(&document, &[]).unwrap();
                prop_assert_eq!(read.child("userInfo").unwrap().text_of("firstname"), Some(text.as_str()));
                prop_assert!(text.chars().all(super::super::xml::legal));
            }
            Err(_) => prop_assert!(!text.chars().all(super::super::xml::legal)),
        }
    }

    /// No bytes, however close to a document, do anything but be read or refused; and what was read can be
    /// written again.
    #[test]
    fn any_bytes_are_read_or_refused(
        parts in prop::collection::vec(
            prop_oneof![
                Just("<user>".to_owned()), Just("</user>".into()), Just("<a/>".into()), Just("<![CDATA[".into()),
                Just("]]>".into()), Just("&amp;".into()), Just("&#x10FFFF;".into()), Just("&#1114112;".into()),
                Just("<!--".into()), Just("-->".into()), Just("<?xml".into()), Just("?>".into()), "[<>&;\"'= a]{0,4}",
                prop::arbitrary::any::<String>(),
            ],
            0..12,
        ),
    ) {
        let document = parts.concat();
        if let Ok(root) = Element::read(document.as_bytes(), &[]) {
            let again = Element::read(&root.document().unwrap(), &[]).unwrap();
            prop_assert_eq!(again, root);
        }
    }
}

/// Refused with 400 VALIDATION, without an effect.
async fn refused(bench: &Bench, resource: &str, body: impl Into<Bytes>, why: &str) {
    let before = bench.sim.ledger().len();
    let (status, error) = bench.post(resource, body).await;
    assert_eq!((status, error.text_of("reason")), (400, Some("VALIDATION")), "{why}");
    assert_eq!(error.text_of("errorUUID").map(str::len), Some(36), "{why}");
    assert_eq!(bench.sim.ledger().len(), before, "{why}");
}

#[tokio::test]
async fn values_that_cannot_be_are_refused_p15() {
    let bench = Bench::new(Settings::default());
    for missing in ["firstname", "lastname", "userStatus", "userType"] {
        let without: Vec<_> = ANN.iter().copied().filter(|(name, _)| *name != missing).collect();
        refused(&bench, "user", bytes(&user("1", &without)), missing).await;
        refused(&bench, "user", bytes(&user("1", &ann(&[(missing, "")]))), missing).await;
        refused(&bench, "user", bytes(&user("1", &ann(&[(missing, "  ")]))), missing).await;
    }
    for (name, wrong) in [
        ("userType", "STAFF"),
        ("userType", "prospect"),
        ("userType", "EX-MEMBER"),
        ("userStatus", "active"),
        ("userStatus", "DELETED"),
        ("birthdate", "1990-2-3"),
        ("birthdate", "1990-02-30"),
        ("birthdate", "03/02/1990"),
        ("birthdate", ""),
        ("gender", "X"),
        ("gender", "male"),
        ("country", "NZL"),
        ("country", "nz"),
        ("country", "N1"),
        ("leadOwnerID", ""),
        ("leadOwnerID", " "),
        ("leadOwnerID", "S-404"),
        ("leadOwnerID", "Q-1"),
        ("leadSourceID", ""),
        ("leadSourceID", "Q-404"),
        ("leadSourceID", "S-1"),
        ("createdBy", "TANDEM"),
        ("modifiedDate", "2012-04-10T04:11:07.023Z"),
        ("fax", "1"),
        ("firstName", "Ann"),
    ] {
        refused(&bench, "user", bytes(&user("1", &ann(&[(name, wrong)]))), &format!("{name} '{wrong}'")).await;
    }
    for (name, right) in [
        ("userType", "MEMBER"),
        ("userType", "EX_MEMBER"),
        ("userStatus", "INACTIVE"),
        ("birthdate", "1990-02-28"),
        ("gender", "F"),
        ("country", "NZ"),
        ("leadOwnerID", "S-1"),
        ("leadSourceID", "Q-9"),
        ("email", "no address at all"),
        ("mobile", ""),
    ] {
        assert_eq!(bench.post("user", bytes(&user("1", &ann(&[(name, right)])))).await.0, 200, "{name} '{right}'");
    }
    for (name, active) in [("", "true"), (" ", "true"), ("Expo", "TRUE"), ("Expo", "1"), ("Expo", "")] {
        refused(&bench, "leadsource", bytes(&source("L", name, active)), &format!("'{name}' '{active}'")).await;
    }
}

#[tokio::test]
async fn wrong_wrappers_and_tenants_are_refused_p15() {
    let bench = Bench::new(Settings::default());
    refused(&bench, "user", bytes(&wrapped("staff", "userInfo", "1", ANN)), "wrong wrapper").await;
    refused(&bench, "user", bytes(&wrapped("User", "userInfo", "1", ANN)), "case").await;
    let info = [("name", "Expo"), ("active", "true")];
    refused(&bench, "leadsource", bytes(&wrapped("leadSource", "leadSourceInfo", "1", &info)), "leadSourceInfo").await;
    refused(&bench, "leadsource", bytes(&wrapped("leadsource", "leadInfo", "1", &info)), "case").await;
    refused(&bench, "user", bytes(&user("", ANN)), "empty recordID").await;
    refused(&bench, "user", bytes(&user(" ", ANN)), "blank recordID").await;
    for (index, name) in ["identifier", "clientID", "clubID"].iter().enumerate() {
        let mut foreign = user("1", ANN);
        foreign.children[0].children[index].text = "somebody".into();
        let (status, error) = bench.post("user", bytes(&foreign)).await;
        assert_eq!((status, error.text_of("reason")), (403, Some("VALIDATION")), "{name}");
        let query = target_of("1").replace(["TANDEM", "client-1", "club-1"][index], "somebody");
        assert_eq!(bench.get(&query).await.0, 403, "{name}");
        let mut without = user("1", ANN);
        without.children[0].children.remove(index);
        refused(&bench, "user", bytes(&without), name).await;
    }
    let mut extra = user("1", ANN);
    extra.children.push(Element::parent("extraProviderIDs", [Element::leaf("inTouchID", "9")]));
    refused(&bench, "user", bytes(&extra), "only in answers").await;
    // A staff save needs the staff wrapper and type.
    let staff = [("userType", "STAFF"), ("email", "a@b.example")];
    refused(&bench, "staff", bytes(&user("S-7", &ann(&staff))), "user is not staff").await;
    assert_eq!(bench.post("staff", bytes(&wrapped("staff", "userInfo", "S-7", &ann(&staff)))).await.0, 200);
    assert_eq!(bench.sim.ledger().count("staff", Op::Create), 1);
}

#[tokio::test]
async fn documents_no_careful_service_reads_are_refused_p15() {
    let bench = Bench::new(Settings::default());
    let good = String::from_utf8(bytes(&user("1", ANN))).unwrap();
    let with = |old: &str, new: &str| {
        assert!(good.contains(old));
        good.replacen(old, new, 1)
    };
    let bomb = {
        let mut doctype = String::from("<!DOCTYPE user [<!ENTITY a0 \"ha\">");
        for level in 1..20 {
            doctype.push_str(&format!("<!ENTITY a{level} \"{}\">", format!("&a{};", level - 1).repeat(10)));
        }
        with("<user>", &(doctype + "]><user>")).replacen("Ann", "&a19;", 1)
    };
    let deep = format!("{}{}", "<a>".repeat(5000), "</a>".repeat(5000));
    let table: Vec<(&str, String)> = vec![
        ("entity bomb", bomb),
        ("doctype", with("<user>", "<!DOCTYPE user><user>")),
        ("outside entity", with("<user>", "<!DOCTYPE user [<!ENTITY x SYSTEM \"file:///etc/hostname\">]><user>")),
        ("undeclared entity", with("Ann", "&x;")),
        ("html entity", with("Ann", "&nbsp;")),
        ("bare ampersand", with("Ann", "R&D")),
        ("bare less-than", with("Ann", "a < b")),
        ("control character", with("Ann", "A\u{1b}[2J")),
        ("control character by number", with("Ann", "A&#27;[2J")),
        ("NUL by number", with("Ann", "&#0;")),
        ("no character", with("Ann", "&#xFFFE;")),
        ("end of CDATA in text", with("Ann", "]]>")),
        ("processing instruction", with("<user>", "<?php x ?><user>")),
        ("attribute", with("<user>", "<user id=\"1\">")),
        ("other namespace", with("<user>", "<user xmlns=\"urn:x\">")),
        ("prefix", with("<user>", "<x:user>").replacen("</user>", "</x:user>", 1)),
        ("element twice", with("<lastname>", "<firstname>Eve</firstname><lastname>")),
        ("two providers", with("<userInfo>", "<providerInfo></providerInfo><userInfo>")),
        ("mixed content", with("<userInfo>", "<userInfo>text")),
        ("elements in a value", with("Ann", "<b>Ann</b>")),
        ("blanks in an end tag", with("</providerInfo>", "</ providerInfo >")),
        ("wrong end tag", with("</firstname>", "</lastname>")),
        ("unended", good.replacen("</user>", "", 1)),
        ("two roots", format!("{good}<user></user>")),
        ("text after the root", format!("{good} x")),
        ("declared as Latin-1", with("UTF-8", "ISO-8859-1")),
        ("deep", deep),
        ("empty", String::new()),
        ("JSON", "{}".into()),
    ];
    for (why, body) in table {
        refused(&bench, "user", body, why).await;
    }
    refused(&bench, "user", b"<user>\xff</user>".to_vec(), "not UTF-8").await;
    for fine in [
        with("Ann", "<![CDATA[Ann]]>"),
        with("Ann", "&#65;nn"),
        with("<userInfo>", "<!-- x -->\n  <userInfo>"),
        with("<user>", "<user\n>"),
        good.replacen("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "", 1),
    ] {
        assert_eq!(bench.post("user", fine.clone()).await.0, 200, "{fine}");
        assert_eq!(bench.sim.record(Resource::User, "1").unwrap().value("firstname"), "Ann");
    }
}

#[tokio::test]
async fn sizes_kinds_methods_and_queries_are_checked() {
    let bench = Bench::new(Settings::default());
    let padded = |size: usize| {
        let empty = bytes(&user("1", &ann(&[("company", "")]))).len();
        bytes(&user("1", &ann(&[("company", "x".repeat(size - empty).leak())])))
    };
    assert_eq!(bench.post("user", padded(MAX_BODY)).await.0, 200);
    let (status, error) = bench.post("user", padded(MAX_BODY + 1)).await;
    assert_eq!((status, error.text_of("reason")), (413, Some("VALIDATION")));
    let raw = async |method: &str, path: &str, kind: &str| {
        let request = http::Request::builder().method(method).uri(format!("http://sim.test{path}"));
        let body = bytes(&user("1", ANN));
        bench.send(request.header("Content-Type", kind).body(body.into()).unwrap()).await.unwrap().0
    };
    let path = "/connector/api/2011-11/user";
    for (method, path, kind, status) in [
        ("POST", path, "application/json", 415),
        ("POST", path, "application/xml; charset=latin-1", 415),
        ("POST", path, "text/xml", 200),
        ("PUT", path, "text/xml", 405),
        ("DELETE", path, "text/xml", 405),
        ("POST", "/connector/api/2012-01/user", "text/xml", 404),
        ("POST", "/connector/api/2011-11/users", "text/xml", 404),
        ("POST", "/connector/api/2011-11/user/", "text/xml", 404),
    ] {
        assert_eq!(raw(method, path, kind).await, status, "{method} {path} {kind}");
    }
    for (query, status) in [
        ("user?provider=TANDEM?client_id=client-1&club_id=club-1&recordID=1", 400),
        ("user?provider=TANDEM&client_id=client-1&club_id=club-1", 400),
        ("user?provider=TANDEM&client_id=client-1&club_id=club-1&uuid=1", 400),
        ("user?provider=TANDEM&client_id=client-1&club_id=club-1&recordID=1&recordID=2", 400),
        ("user?provider=TANDEM&client_id=client-1&club_id=club-1&recordID=404", 404),
        ("user?provider=TANDEM&client_id=client-1&club_id=club-1&recordID=1", 200),
        ("leadsource?provider=TANDEM&client_id=client-1&club_id=club-1&recordID=Q-1", 400),
    ] {
        assert_eq!(bench.get(query).await.0, status, "{query}");
    }
}

#[test]
fn what_cannot_be_written_is_refused_by_the_writer_too() {
    for char in ['\0', '\u{1b}', '\u{7}', '\u{fffe}', '\u{ffff}'] {
        let refusal = user("1", &[("firstname", &char.to_string())]).document().unwrap_err();
        assert_eq!(refusal, super::super::xml::XmlError::Unwritable("firstname".into()), "{char:?}");
    }
}
