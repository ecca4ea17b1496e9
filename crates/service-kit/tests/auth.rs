//! Tests tokens against a real authenticator, with keys that the tests make. The tokens are put together here, without
//! the library that checks them.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http_body_util::BodyExt as _;
use ring::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use service_kit::{
    auth::{Auth, Authenticator, Caller, JwtSettings, KeySource, Role, only},
    config::{Common, Reader},
    service::Service,
};
use tower::ServiceExt as _;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "orders";

#[derive(OpenApi)]
struct About;

/// Shows who calls.
#[utoipa::path(get, path = "/who", responses((status = 200, body = String)))]
async fn who(caller: Caller) -> String {
    let roles: Vec<_> = caller.roles().map(Role::name).collect();
    format!("{} {}", caller.subject().unwrap_or("anyone"), roles.join(","))
}

/// Changes something.
#[utoipa::path(post, path = "/steer", responses((status = 200, body = String)))]
async fn steer(caller: Caller) -> String {
    caller.subject().unwrap_or("anyone").to_owned()
}

/// A key of an issuer.
struct Key {
    id: &'static str,
    pair: Ed25519KeyPair,
}

impl Key {
    fn new(id: &'static str, seed: u8) -> Self {
        Self { id, pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap() }
    }

    fn public(&self) -> Value {
        let x = BASE64_URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "alg": "EdDSA", "use": "sig", "x": x})
    }

    fn sign(&self, claims: &Value) -> String {
        let text = unsigned(&json!({"alg": "EdDSA", "typ": "JWT", "kid": self.id}), claims);
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes())))
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn claims(roles: &Value) -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now() + 60, "roles": roles})
}

/// Replaces a claim.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims(&json!(["viewer"]));
    claims[name] = value;
    claims
}

/// Removes a claim.
fn without(name: &str) -> Value {
    let mut claims = claims(&json!(["viewer"]));
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// A service that knows one key, and the file of its keys.
struct Tested {
    app: Router,
    keys: PathBuf,
    key: Key,
    _folder: tempfile::TempDir,
}

fn service(auth: Auth) -> Router {
    let lookup = |_: &str| None;
    let mut reader = Reader::new(&lookup);
    let common = Common::read(&mut reader);
    let common = reader.finish(common).unwrap();
    let read = only(&[Role::Viewer, Role::Operator], OpenApiRouter::new().routes(routes!(who)));
    let steer = only(&[Role::Operator], OpenApiRouter::new().routes(routes!(steer)));
    Service::new("tested", "0", About::openapi())
        .authenticate(Authenticator::new(auth))
        .routes(read)
        .routes(steer)
        .build(&common)
        .0
}

fn tested_with(rate_limit: Option<u32>) -> Tested {
    let folder = tempfile::tempdir().unwrap();
    let (keys, key) = (folder.path().join("jwks.json"), Key::new("one", 1));
    fs::write(&keys, json!({"keys": [key.public(), Key::new("other", 2).public()]}).to_string()).unwrap();
    let jwt = JwtSettings {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        keys: KeySource::File(keys.clone()),
        refresh: Duration::ZERO,
        roles_claim: "roles".to_owned(),
    };
    let auth = Auth { jwt: Some(jwt), rate_limit: rate_limit.and_then(std::num::NonZeroU32::new) };
    Tested { app: service(auth), keys, key, _folder: folder }
}

fn tested() -> Tested {
    tested_with(None)
}

struct Answer {
    status: StatusCode,
    challenge: Option<String>,
    body: String,
}

impl Answer {
    fn error(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        problem["error"].as_str().unwrap().to_owned()
    }
}

async fn send(app: &Router, request: Request<Body>) -> Answer {
    let response = app.clone().oneshot(request).await.unwrap();
    let challenge = response.headers().get(header::WWW_AUTHENTICATE);
    let challenge = challenge.map(|text| text.to_str().unwrap().to_owned());
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, challenge, body: String::from_utf8(bytes.to_vec()).unwrap() }
}

impl Tested {
    async fn who(&self, token: &str) -> Answer {
        let request = Request::get("/who").header(header::AUTHORIZATION, format!("Bearer {token}"));
        send(&self.app, request.body(Body::empty()).unwrap()).await
    }

    async fn steer(&self, token: &str) -> Answer {
        let request = Request::post("/steer").header(header::AUTHORIZATION, format!("bearer {token}"));
        send(&self.app, request.body(Body::empty()).unwrap()).await
    }

    /// Sends a change with the token in the cookie of a page.
    async fn steer_from_page(&self, headers: &[(&str, &str)]) -> Answer {
        let token = self.key.sign(&claims(&json!(["operator"])));
        let mut request =
            Request::post("/steer").header(header::COOKIE, format!("a=b; console_session={token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(&self.app, request.body(Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn a_token_names_its_subject_and_its_roles() {
    let tested = tested();
    for roles in [json!(["viewer", "manager", "unheard"]), json!("viewer manager unheard")] {
        let answer = tested.who(&tested.key.sign(&claims(&roles))).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "ada viewer,manager"));
    }
}

#[tokio::test]
async fn a_request_without_a_token_is_asked_for_one() {
    let tested = tested();
    for value in [None, Some("Basic YTpi"), Some("Bearer")] {
        let mut request = Request::get("/who");
        if let Some(value) = value {
            request = request.header(header::AUTHORIZATION, value);
        }
        let answer = send(&tested.app, request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status, answer.error().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
        assert_eq!(answer.challenge.as_deref(), Some(r#"Bearer realm="order-fulfilment""#));
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_with_its_reason() {
    let tested = tested();
    let key = &tested.key;
    let good = claims(&json!(["viewer"]));
    let hmac_of_public_key = {
        let text = unsigned(&json!({"alg": "HS256", "kid": "one"}), &good);
        let secret = hmac::Key::new(hmac::HMAC_SHA256, key.pair.public_key().as_ref());
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&secret, text.as_bytes())))
    };
    let signed = key.sign(&good);
    let forged = {
        let (text, signature) = signed.rsplit_once('.').unwrap();
        let (header, _) = text.split_once('.').unwrap();
        let claims = BASE64_URL_SAFE_NO_PAD.encode(claims(&json!(["operator"])).to_string());
        format!("{header}.{claims}.{signature}")
    };
    let other_algorithm = unsigned(&json!({"alg": "ES256", "kid": "one"}), &good) + ".AAAA";
    let bad = [
        ("no signed JWT", "nonsense".to_owned()),
        ("no signed JWT", unsigned(&json!({"alg": "none"}), &good) + "."),
        ("no signed JWT", unsigned(&json!({"alg": "None", "kid": "one"}), &good) + "."),
        ("algorithm is not accepted", hmac_of_public_key),
        ("key has another algorithm", other_algorithm),
        ("longer than 8 KiB", "a".repeat(8193)),
        ("key is unknown", Key::new("unheard", 3).sign(&good)),
        ("signature is wrong", Key::new("one", 3).sign(&good)),
        ("signature is wrong", Key::new("other", 1).sign(&good)),
        ("signature is wrong", forged),
        ("another audience", key.sign(&with("aud", json!("others")))),
        ("another issuer", key.sign(&with("iss", json!("https://evil.example")))),
        ("has expired", key.sign(&with("exp", json!(now() - 31)))),
        ("not valid yet", key.sign(&with("nbf", json!(now() + 40)))),
        ("lacks exp", key.sign(&without("exp"))),
        ("lacks exp", key.sign(&without("sub"))),
        ("lacks exp", key.sign(&without("aud"))),
        ("subject is no name", key.sign(&with("sub", json!("")))),
        ("subject is no name", key.sign(&with("sub", json!("a".repeat(256))))),
        ("subject is no name", key.sign(&with("sub", json!("a\nb")))),
    ];
    for (reason, token) in bad {
        let answer = tested.who(&token).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (StatusCode::UNAUTHORIZED, "invalid_token"),
            "{reason}"
        );
        assert!(answer.body.contains(reason), "{reason}: {}", answer.body);
        let challenge = answer.challenge.unwrap();
        assert!(challenge.contains(r#"error="invalid_token""#) && challenge.contains(reason), "{challenge}");
        assert!(!answer.body.contains(&token), "an answer never repeats a token");
    }
}

#[tokio::test]
async fn clocks_may_differ_by_half_a_minute() {
    let tested = tested();
    let mut claims = with("exp", json!(now() - 20));
    claims["nbf"] = json!(now() + 20);
    assert_eq!(tested.who(&tested.key.sign(&claims)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_role_opens_its_own_routes() {
    let tested = tested();
    for (role, reads, steers) in [
        ("viewer", 200, 403),
        ("operator", 200, 200),
        ("manager", 403, 403),
        ("customer", 403, 403),
        ("", 403, 403),
    ] {
        let token = tested.key.sign(&claims(&json!([role])));
        assert_eq!(tested.who(&token).await.status, reads, "{role}");
        let answer = tested.steer(&token).await;
        assert_eq!(answer.status, steers, "{role}");
        if steers == 403 {
            assert_eq!(answer.error(), "forbidden");
            assert!(answer.body.contains("needs the role operator"), "{}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_is_forgotten() {
    let tested = tested();
    let next = Key::new("next", 9);
    assert_eq!(tested.who(&tested.key.sign(&claims(&json!(["viewer"])))).await.status, StatusCode::OK);
    fs::write(&tested.keys, json!({"keys": [next.public()]}).to_string()).unwrap();
    let rotated = tested_from(&tested.keys);
    assert_eq!(rotated.who(&next.sign(&claims(&json!(["viewer"])))).await.status, StatusCode::OK);
    let old = rotated.who(&tested.key.sign(&claims(&json!(["viewer"])))).await;
    assert_eq!(old.error(), "invalid_token");
}

/// Starts another service on the same keys, which reads them anew.
fn tested_from(keys: &std::path::Path) -> Tested {
    let mut tested = tested();
    fs::copy(keys, &tested.keys).unwrap();
    tested.key = Key::new("one", 1);
    tested
}

#[tokio::test]
async fn tokens_wait_for_keys_that_cannot_be_read() {
    let tested = tested();
    fs::remove_file(&tested.keys).unwrap();
    let answer = tested.who(&tested.key.sign(&claims(&json!(["viewer"])))).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "auth_unavailable")
    );
}

#[tokio::test]
async fn many_tokens_with_unknown_keys_read_the_keys_once() {
    let reads = std::sync::Arc::new(AtomicU32::new(0));
    let counted = reads.clone();
    let set = json!({"keys": [Key::new("one", 1).public()]}).to_string();
    let issuer = Router::new().fallback(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(set.clone())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, issuer).await });
    let jwt = JwtSettings {
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        keys: KeySource::Url(url),
        refresh: Duration::from_mins(5),
        roles_claim: "roles".to_owned(),
    };
    let app = service(Auth { jwt: Some(jwt), rate_limit: None });
    let get = |token: String| {
        let request = Request::get("/who").header(header::AUTHORIZATION, format!("Bearer {token}"));
        send(&app, request.body(Body::empty()).unwrap())
    };
    for seed in 10..30 {
        assert_eq!(
            get(Key::new("unheard", seed).sign(&claims(&json!(["viewer"])))).await.error(),
            "invalid_token"
        );
    }
    let good = get(Key::new("one", 1).sign(&claims(&json!(["viewer"])))).await;
    assert_eq!((good.status, reads.load(Ordering::SeqCst)), (StatusCode::OK, 1));
}

#[tokio::test]
async fn a_cookie_counts_only_from_a_page_of_the_same_origin() {
    let tested = tested();
    let good: [&[(&str, &str)]; 2] = [
        &[("sec-fetch-site", "same-origin")],
        &[("origin", "http://console.example:3002"), ("host", "console.example:3002")],
    ];
    for headers in good {
        assert_eq!(tested.steer_from_page(headers).await.status, StatusCode::OK, "{headers:?}");
    }
    let bad: [&[(&str, &str)]; 5] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", "http://a.example"), ("host", "a.example")],
        &[("origin", "http://evil.example"), ("host", "console.example:3002")],
    ];
    for headers in bad {
        let answer = tested.steer_from_page(headers).await;
        assert_eq!((answer.status, answer.error().as_str()), (StatusCode::FORBIDDEN, "cross_site_request"));
    }
}

#[tokio::test]
async fn a_caller_has_a_limit_of_their_own() {
    let tested = tested_with(Some(2));
    let ada = tested.key.sign(&claims(&json!(["viewer"])));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(tested.who(&ada).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 429]);
    let grace = tested.key.sign(&with("sub", json!("grace")));
    assert_eq!(tested.who(&grace).await.status, StatusCode::OK);
}

#[tokio::test]
async fn health_and_documentation_need_no_token() {
    let tested = tested();
    for path in
        ["/health", "/health/live", "/health/ready", "/metrics", "/api/docs/openapi.json", "/api/docs/errors"]
    {
        let answer = send(&tested.app, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn without_authentication_everyone_has_every_role() {
    let app = service(Auth::default());
    let answer = send(&app, Request::get("/who").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.body, "anyone viewer,customer,manager,operator");
}

/// The token and its key were made with OpenSSL, to prove that this is not one library that agrees with itself.
#[tokio::test]
async fn tokens_of_another_library_are_accepted() {
    let fixture: Value = serde_json::from_str(include_str!("fixtures/foreign_tokens.json")).unwrap();
    let tested = tested();
    fs::write(&tested.keys, fixture["jwks"].to_string()).unwrap();
    for (algorithm, token) in fixture["tokens"].as_object().unwrap() {
        let answer = tested.who(token.as_str().unwrap()).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "ada viewer"), "{algorithm}");
    }
}

#[tokio::test]
async fn health_has_no_limit_without_authentication() {
    let app = service(Auth { jwt: None, rate_limit: std::num::NonZeroU32::new(1) });
    for _ in 0..3 {
        let answer = send(&app, Request::get("/health/live").body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    }
}
