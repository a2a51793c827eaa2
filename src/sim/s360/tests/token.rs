//! Who is let in, and how often.

use super::*;

const PING: &str = r#"{"contactNumber":"100001","details":["GENERAL"]}"#;

async fn code_of(sim: &Arc<S360Sim>, token: &str) -> String {
    let (status, answer) = post(sim, &format!("{CONTACTS}/getContactData"), token, PING).await;
    assert_eq!(status, StatusCode::OK);
    answer["statusCode"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn forged_tokens_are_checked_to_the_letter_s21() {
    let sim = sim(|_| ());
    sim.edit(&Edit::create("ACME.contact", person("Okafor"))).unwrap();
    let secret = Account::invented("ACME").secret;
    let head = json!({"alg": "HS256", "typ": "JWT"});
    let good = claims(&sim, "ACME");
    let iat = good["iat"].as_i64().unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        jwt(&head, &claims, secret.expose_secret())
    };
    let ages = |iat: i64, exp: i64| {
        let mut claims = good.clone();
        (claims["iat"], claims["exp"]) = (json!(iat), json!(exp));
        jwt(&head, &claims, secret.expose_secret())
    };
    let signed = |head: Value, secret: &str| jwt(&head, &good, secret);
    let right = signed(head.clone(), secret.expose_secret());
    for (token, passes) in [
        (right.clone(), true),
        (signed(json!({"alg": "HS256"}), secret.expose_secret()), true),
        (signed(json!({"alg": "none"}), secret.expose_secret()), false),
        (signed(json!({"alg": "hs256"}), secret.expose_secret()), false),
        (signed(json!({"alg": "HS512"}), secret.expose_secret()), false),
        (signed(json!({"alg": "HS256", "typ": "JWT", "crit": ["x"]}), secret.expose_secret()), false),
        (signed(head.clone(), "another secret"), false),
        (right.rsplit_once('.').unwrap().0.to_owned() + ".", false),
        (format!("{right}="), false),
        ("no token".to_owned(), false),
        (with("sub", json!("GLOBE")), false),
        (with("sub", json!("acme")), false),
        (with("aud", json!("GLOBE_TANDEM")), false),
        (with("aud", json!(["ACME_TANDEM"])), false),
        (with("iss", json!("ACME")), false),
        (with("iat", json!(iat as f64 + 0.5)), false),
        (with("iat", json!(iat.to_string())), false),
        (with("iat", Value::Null), false),
        (ages(iat - 1, iat + 29), true),
        (ages(iat - 2, iat + 28), false),
        (ages(iat + 1, iat + 31), true),
        (ages(iat + 2, iat + 32), false),
        (ages(iat, iat + 30), true),
        (ages(iat, iat + 31), false),
        (ages(iat, iat), false),
        (ages(iat * 1000, (iat + 30) * 1000), false),
        (forged(&sim, "GLOBE"), false),
    ] {
        assert_eq!(code_of(&sim, &token).await, if passes { "success" } else { "401" }, "{token}");
    }
    sim.set_knobs(|knobs| knobs.token_unit = TokenUnit::Millis);
    assert_eq!(code_of(&sim, &ages(iat * 1000, (iat + 30) * 1000)).await, "success");
    sim.set_knobs(|knobs| knobs.http_401 = true);
    let (status, answer) = post(&sim, &format!("{CONTACTS}/getContactData"), "x", PING).await;
    assert_eq!((status, &answer["statusCode"]), (StatusCode::UNAUTHORIZED, &json!("401")));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_is_told_apart_and_shown_s21() {
    let sim = sim(|_| ());
    for (skew, why) in [(5000, "too long ago"), (-5000, "in the future")] {
        sim.set_knobs(|knobs| knobs.skew_ms = skew);
        let answer = ask(&sim, &format!("{CONTACTS}/getContactData"), json!({})).await;
        assert!(answer["statusCode"] == "401" && answer["statusDetail"].as_str().unwrap().contains(why), "{answer}");
    }
    let request = Request::post(format!("{CONTACTS}/getContactData")).body(Body::empty()).unwrap();
    let response = sim.router().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["date"], "Sat, 21 Nov 2026 07:59:55 GMT");
}

#[tokio::test(start_paused = true)]
async fn a_login_gives_a_token_that_dies_and_is_good_nowhere_else() {
    let sim = sim(|_| ());
    sim.edit(&Edit::create("ACME.contact", person("Okafor"))).unwrap();
    let path = "/acme/tnai/backend-apis/v1/auth";
    let good = json!({"operator": "ACME_TANDEM", "partner": "TANDEM", "secret": Account::invented("ACME").secret.expose_secret()});
    for (name, value) in [("operator", "x"), ("partner", "x"), ("secret", "x")] {
        let mut wrong = good.clone();
        wrong[name] = json!(value);
        assert_eq!(refused(&sim, path, wrong).await, "401");
    }
    assert_eq!(refused(&sim, path, json!({"operator": "ACME_TANDEM"})).await, "badparam");
    let answer = done(&sim, path, good).await;
    let token = answer["token"].as_str().unwrap();
    assert_eq!(code_of(&sim, token).await, "success");
    let elsewhere = CONTACTS.replace("acme", "globe");
    let (_, answer) = post(&sim, &format!("{elsewhere}/getContactData"), token, PING).await;
    assert_eq!(answer["statusCode"], "401");
    tokio::time::advance(Duration::from_secs(300)).await;
    assert_eq!(code_of(&sim, token).await, "401");
}

#[tokio::test(start_paused = true)]
async fn calls_above_the_limit_are_509_or_429_per_institution_s10_scenario_15() {
    let sim = sim(|settings| settings.knobs.calls_per_minute = 3);
    let path = format!("{CONTACTS}/getContactData");
    let status = |code: &'static str| {
        let (sim, path) = (Arc::clone(&sim), path.replace("acme", &code.to_lowercase()));
        async move { post(&sim, &path, &forged(&sim, code), PING).await.0.as_u16() }
    };
    for wanted in [200, 200, 200, 509, 509] {
        assert_eq!(status("ACME").await, wanted);
    }
    assert_eq!(status("GLOBE").await, 200, "each has its own");
    sim.set_knobs(|knobs| (knobs.over_limit, knobs.retry_after) = (OverLimit::Http429, Some(7)));
    assert_eq!(status("ACME").await, 429);
    let request = Request::post(path.as_str()).body(Body::empty()).unwrap();
    assert_eq!(sim.router().oneshot(request).await.unwrap().headers()["retry-after"], "7");
    tokio::time::advance(Duration::from_millis(59_999)).await;
    assert_eq!(status("ACME").await, 429);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(status("ACME").await, 200);
    assert_eq!(Knobs::default().calls_per_minute, 180);
}
