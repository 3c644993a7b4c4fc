//! Proxies, certificates, trusted hosts and redirects: the key goes where it may, or the message says what is in the way.

use super::program::{Ended, KEY, Program};
use super::proxies_and_tls::{Authority, PROXY_PASSWORD, Proxy, TlsFront, address_of};
use super::published::Place;
use super::scripted_server::{Answer, PERIODS, ScriptedServer, USAGE, listing, november, page};

const NEXT: &str = "/v3/enrollments/100/billingPeriods/202411/usagedetails?token=2";
/// A port at which nobody listens.
const DEAD: &str = "http://clerk:a-proxys-password@127.0.0.1:9";
const VALID: [i32; 2] = [2000, 2100];

/// A service with one page of three rows.
fn small() -> ScriptedServer {
    let server = november();
    server.on(USAGE, [Answer::json(page(1..4, None))]);
    server
}

/// A `sync` that knows no authority but those of this PEM text as the platform's.
fn sync_with_platform(endpoint: &str, place: &Place, pem: &str) -> Program {
    Program::sync(endpoint, &place.dest()).set("SSL_CERT_FILE", &place.write("platform.pem", pem.as_bytes()))
}

/// Neither secret was told.
#[track_caller]
fn is_silent(ended: &Ended) {
    for secret in [KEY, PROXY_PASSWORD] {
        assert!(!ended.out.contains(secret) && !ended.err.contains(secret), "{}\n{}", ended.out, ended.err);
    }
}

/// Each request carried the key.
#[track_caller]
fn carried_the_key(server: &ScriptedServer) {
    assert!(!server.asked().is_empty());
    for asked in server.asked() {
        assert_eq!(asked.headers.get("authorization"), Some(&format!("bearer {KEY}")), "{}", asked.target);
    }
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_at_once() {
    let (server, place) = (small(), Place::new());
    let (authority, stranger) = (Authority::new(), Authority::new());
    let front = TlsFront::start(authority.certify("localhost", VALID), &server);
    let ended = sync_with_platform(&front.url(""), &place, &stranger.pem()).ends_with(4);
    ended.says(&[&format!("the certificate of {} is not trusted", front.host()), "hint:", "--ca-bundle"]);
    assert_eq!(front.connections(), 1);
    assert!(server.asked().is_empty() && place.data().is_empty());
    is_silent(&ended);
}

#[test]
fn a_certificate_of_the_platforms_or_the_bundles_authority_is_taken() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let both = [stranger.pem(), authority.pem()].concat();
    for (platform, bundle) in [(&both, None), (&stranger.pem(), Some(&both)), (&both, Some(&stranger.pem()))] {
        let (server, place) = (small(), Place::new());
        let front = TlsFront::start(authority.certify("localhost", VALID), &server);
        let mut sync = sync_with_platform(&front.url(""), &place, platform);
        if let Some(bundle) = bundle {
            sync = sync.with(["--ca-bundle", &place.write("bundle.pem", bundle.as_bytes())]);
        }
        is_silent(&sync.ends_with(0));
        assert_eq!(place.period("2024-11").rows(), 3);
        carried_the_key(&server);
    }
}

#[test]
fn a_certificate_for_another_name_or_time_is_refused_and_named() {
    let authority = Authority::new();
    for (name, years, told, hint) in [
        ("other.test", VALID, "other.test", "check --endpoint"),
        ("localhost", [2000, 2020], "expired", "clock"),
        ("localhost", [2100, 2101], "not valid yet", "clock"),
    ] {
        let (server, place) = (small(), Place::new());
        let front = TlsFront::start(authority.certify(name, years), &server);
        let ended = sync_with_platform(&front.url(""), &place, &authority.pem()).ends_with(4);
        ended.says(&[&format!("the certificate of {} is not trusted", front.host()), told, "hint:", hint]);
        assert_eq!(front.connections(), 1, "{told}");
        assert!(server.asked().is_empty());
        is_silent(&ended);
    }
}

#[test]
fn https_to_a_server_that_speaks_none_sends_no_key() {
    let (server, place) = (small(), Place::new());
    let endpoint = server.endpoint().replace("http://", "https://");
    let stranger = Authority::new().pem();
    let ended = sync_with_platform(&endpoint, &place, &stranger).with(["--max-wait", "0s"]).ends_with(4);
    ended.says(&["cannot connect to 127.0.0.1:", "hint:"]);
    assert!(server.asked().is_empty());
}

#[test]
fn a_bundle_that_is_none_is_a_usage_error() {
    let place = Place::new();
    let (stranger, no_der) = (Authority::new().pem(), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    for (name, content, told) in [
        ("missing.pem", None, "cannot be read"),
        ("empty.pem", Some(""), "holds no certificate"),
        ("text.pem", Some("no certificate"), "holds no certificate"),
        ("key.pem", Some("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "holds no certificate"),
        ("cut.pem", Some("-----BEGIN CERTIFICATE-----\nA"), "certificate"),
        ("odd.pem", Some("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"), "is no PEM file"),
        ("der.pem", Some(no_der), "cannot be set up"),
    ] {
        if let Some(content) = content {
            place.write(name, content.as_bytes());
        }
        let bundle = place.path(name).to_str().unwrap().to_owned();
        let sync = sync_with_platform("https://127.0.0.1:9", &place, &stranger).with(["--ca-bundle", &bundle]);
        sync.ends_with(2).says(&[told, "hint:", "--ca-bundle"]);
    }
}

#[test]
fn http_goes_through_the_proxy_of_the_environment() {
    let (server, place) = (small(), Place::new());
    let proxy = Proxy::leading(&[("billing.test", address_of(&server))]);
    let ended = Program::sync("http://billing.test", &place.dest())
        .with(["--allow-http", "-vv"])
        .set("HTTP_PROXY", &proxy.url())
        .ends_with(0);
    is_silent(&ended);
    assert_eq!(place.period("2024-11").rows(), 3);
    carried_the_key(&server);
    let heads = proxy.heads();
    assert_eq!(heads.len(), server.asked().len());
    for head in heads {
        assert!(head.starts_with("GET http://billing.test/v"), "{head}");
        assert!(head.to_ascii_lowercase().contains("\r\nproxy-authorization: basic "), "{head}");
    }
}

#[test]
fn https_goes_through_a_tunnel_that_sees_no_key() {
    let (server, place, authority) = (small(), Place::new(), Authority::new());
    let front = TlsFront::start(authority.certify("billing.test", VALID), &server);
    let proxy = Proxy::leading(&[("billing.test:443", front.address())]);
    let ended = sync_with_platform("https://billing.test", &place, &authority.pem())
        .with(["-vv"])
        .set("HTTPS_PROXY", &proxy.url())
        .ends_with(0);
    is_silent(&ended);
    assert_eq!(place.period("2024-11").rows(), 3);
    carried_the_key(&server);
    for head in proxy.heads() {
        assert!(head.starts_with("CONNECT billing.test:443 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("\r\nproxy-authorization: basic "), "{head}");
        assert!(!head.to_ascii_lowercase().contains("\r\nauthorization:"), "{head}");
    }
    let tunnelled = proxy.tunnelled();
    assert!(!tunnelled.is_empty() && !tunnelled.windows(KEY.len()).any(|window| window == KEY.as_bytes()));
}

#[test]
fn a_proxy_with_a_certificate_of_its_own_is_not_believed() {
    let (server, place) = (small(), Place::new());
    let (authority, stranger) = (Authority::new(), Authority::new());
    let front = TlsFront::start(stranger.certify("billing.test", VALID), &server);
    let proxy = Proxy::leading(&[("billing.test:443", front.address())]);
    let ended = sync_with_platform("https://billing.test", &place, &authority.pem())
        .set("HTTPS_PROXY", &proxy.url())
        .ends_with(4);
    let way = format!("billing.test through the proxy {}", proxy.host());
    ended.says(&[&format!("the certificate of {way} is not trusted"), "hint:", "--ca-bundle"]);
    assert_eq!(front.connections(), 1);
    assert!(server.asked().is_empty());
    is_silent(&ended);
}

#[test]
fn a_dead_proxy_is_named_without_its_password() {
    let stranger = Authority::new().pem();
    for (endpoint, variable) in [
        ("http://billing.test", "HTTP_PROXY"),
        ("https://billing.test", "HTTPS_PROXY"),
        ("https://b.test", "ALL_PROXY"),
    ] {
        let place = Place::new();
        let ended = sync_with_platform(endpoint, &place, &stranger)
            .with(["--allow-http", "--max-wait", "0s"])
            .set(variable, DEAD)
            .ends_with(4);
        ended.says(&[
            "cannot connect to b",
            "through the proxy 127.0.0.1:9: Connection refused",
            "hint:",
            "HTTPS_PROXY",
        ]);
        is_silent(&ended);
        assert!(!ended.err.contains("clerk"), "{}", ended.err);
    }
}

#[test]
fn a_proxy_that_wants_credentials_is_not_asked_again() {
    let stranger = Authority::new().pem();
    for (endpoint, variable) in [("http://billing.test", "HTTP_PROXY"), ("https://billing.test", "HTTPS_PROXY")] {
        let place = Place::new();
        let proxy = Proxy::saying("HTTP/1.1 407 Log In\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned());
        let ended = sync_with_platform(endpoint, &place, &stranger)
            .with(["--allow-http"])
            .set(variable, &proxy.url())
            .ends_with(2);
        ended.says(&["hint: the proxy wants credentials"]);
        assert_eq!(proxy.heads().len(), 1);
        is_silent(&ended);
    }
}

#[test]
fn a_proxys_own_answers_are_told_as_such() {
    let stranger = Authority::new().pem();
    let answer = |status: &str| {
        let body = format!("<html><b>No way</b> for {KEY}\x1b[31m</html>");
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
    };
    for (endpoint, status, told) in [
        ("http://billing.test", "502 Bad Gateway", "answered 502: No way for …"),
        ("http://billing.test", "200 OK", "answered text/html instead of JSON: No way for …"),
        ("https://billing.test", "502 Bad Gateway", "the proxy refuses"),
        ("https://billing.test", "403 Forbidden", "the proxy refuses"),
    ] {
        let place = Place::new();
        let proxy = Proxy::saying(answer(status));
        let ended = sync_with_platform(endpoint, &place, &stranger)
            .with(["--allow-http", "--max-wait", "0s"])
            .set("HTTP_PROXY", &proxy.url())
            .set("HTTPS_PROXY", &proxy.url())
            .ends_with(4);
        ended.says(&[told, "hint:"]);
        assert!(!ended.err.contains('\x1b'), "{}", ended.err);
        is_silent(&ended);
    }
}

#[test]
fn hosts_of_no_proxy_are_asked_directly() {
    let (server, place) = (small(), Place::new());
    // An address that is not this machine's own by its text, yet leads here.
    let endpoint = server.endpoint().replace("127.0.0.1", "0.0.0.0");
    let sync =
        || Program::sync(&endpoint, &place.dest()).with(["--allow-http", "--max-wait", "0s"]).set("HTTP_PROXY", DEAD);
    sync().ends_with(4).says(&["through the proxy 127.0.0.1:9"]);
    assert!(server.asked().is_empty());
    for list in ["0.0.0.0", "example.org, 0.0.0.0/8"] {
        sync().with(["--force"]).set("NO_PROXY", list).ends_with(0);
    }
    carried_the_key(&server);
}

#[test]
fn this_machine_is_never_asked_through_a_proxy() {
    let authority = Authority::new();
    let (server, secure) = (small(), small());
    let front = TlsFront::start(authority.certify("localhost", VALID), &secure);
    for endpoint in [server.endpoint(), server.endpoint().replace("127.0.0.1", "localhost"), front.url("")] {
        let place = Place::new();
        let mut sync = sync_with_platform(&endpoint, &place, &authority.pem());
        for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            sync = sync.set(variable, DEAD);
        }
        sync.ends_with(0);
        assert_eq!(place.period("2024-11").rows(), 3);
    }
}

/// A gateway whose page 1 leads to page 2 at that URL.
fn gateway(next: &str) -> ScriptedServer {
    let server = november();
    server.on(USAGE, [Answer::json(page(1..4, Some(next)))]);
    server
}

#[test]
fn links_lead_to_trusted_hosts_only() {
    let (authority, stranger, place) = (Authority::new(), Authority::new(), Place::new());
    let mirror = listing(&[]);
    mirror.on(NEXT, [Answer::json(page(4..7, None))]);
    let front = TlsFront::start(authority.certify("localhost", VALID), &mirror);
    let server = gateway(&front.url(NEXT));
    let sync = |place: &Place| sync_with_platform(&server.endpoint(), place, &authority.pem());

    for others in ["", "localhost", "mirror.test", "127.0.0.1:443"] {
        let place = Place::new();
        let trusted = if others.is_empty() { vec![] } else { vec!["--trust-host", others] };
        sync(&place).with(trusted).ends_with(5).says(&["the nextLink leaves the endpoint", "localhost:"]);
        assert!(place.data().is_empty());
    }
    assert_eq!(front.connections(), 0);

    sync(&place).with(["--trust-host", "mirror.test", "--trust-host", &front.host()]).ends_with(0);
    assert_eq!(place.period("2024-11").rows(), 6);
    sync(&place)
        .with(["--force"])
        .set("BILLING_LAKE_TRUST_HOST", &format!("mirror.test,{}", front.host()))
        .ends_with(0);
    assert_eq!(mirror.count(NEXT), 2);
    carried_the_key(&mirror);

    // Trusted, but it cannot prove that it is the host that was meant.
    let before = (place.data(), front.connections());
    let ended = sync_with_platform(&server.endpoint(), &place, &stranger.pem())
        .with(["--force", "--trust-host", &front.host()])
        .ends_with(4);
    ended.says(&[&format!("the certificate of {} is not trusted", front.host())]);
    assert!(place.data() == before.0);
    assert_eq!((front.connections(), mirror.count(NEXT)), (before.1 + 1, 2));
}

#[test]
fn a_trusted_host_is_not_spoken_to_without_tls() {
    let mirror = listing(&[]);
    mirror.on(NEXT, [Answer::json(page(4..7, None))]);
    let (server, place) = (gateway(&mirror.url(NEXT)), Place::new());
    let host = address_of(&mirror).to_string();
    let stranger = Authority::new().pem();
    for more in [&["--trust-host", &host][..], &["--trust-host", &host, "--allow-http"]] {
        let sync = sync_with_platform(&server.endpoint(), &place, &stranger).with(more.iter().copied());
        sync.ends_with(5).says(&["the nextLink leaves the endpoint"]);
    }
    assert!(mirror.asked().is_empty());
}

#[test]
fn a_trusted_host_behind_an_endpoint_on_this_machine_is_asked_through_the_proxy() {
    let (authority, place) = (Authority::new(), Place::new());
    let mirror = listing(&[]);
    mirror.on(NEXT, [Answer::json(page(4..7, None))]);
    let front = TlsFront::start(authority.certify("mirror.test", VALID), &mirror);
    let proxy = Proxy::leading(&[("mirror.test:443", front.address())]);
    let server = gateway(&format!("https://mirror.test:443{NEXT}"));
    sync_with_platform(&server.endpoint(), &place, &authority.pem())
        .with(["--trust-host", "mirror.test"])
        .set("HTTP_PROXY", DEAD)
        .set("HTTPS_PROXY", &proxy.url())
        .ends_with(0);
    assert_eq!(place.period("2024-11").rows(), 6);
    assert_eq!(proxy.heads().len(), 1);
    carried_the_key(&mirror);
}

#[test]
fn only_a_host_can_be_trusted() {
    let place = Place::new();
    for text in ["https://a.test", "a.test/path", "user@a.test", "*.test", "a.test:port", "a b"] {
        let sync = Program::sync("http://127.0.0.1:9", &place.dest()).with(["--trust-host", text]);
        sync.ends_with(2).says(&["is no host to trust", "hint: write --trust-host as HOST or HOST:PORT"]);
    }
}

#[test]
fn a_redirect_that_must_not_be_followed_is_refused_without_a_retry() {
    let (authority, elsewhere) = (Authority::new(), small());
    let open = address_of(&elsewhere);
    let front_of = |server: &ScriptedServer| TlsFront::start(authority.certify("localhost", VALID), server);
    for (location, told) in [
        (format!("http://localhost:{}{USAGE}", open.port()), "the redirect leaves the endpoint"),
        (format!("https://{open}{USAGE}"), "the redirect leaves the endpoint"),
        (format!("//{open}{USAGE}"), "the redirect leaves the endpoint"),
        (format!("\\\\{open}{USAGE}"), "the redirect leaves the endpoint"),
        ("https://user:a-proxys-password@HOST/v3/x".to_owned(), "the redirect holds a user name"),
        (format!("/v3/x?k={KEY}"), "the redirect holds the API key"),
        (USAGE.replace("100", "200"), "the redirect leaves the enrollment"),
        (USAGE.replace("202411", "202410"), "the redirect leads to another billing period"),
        ("https://[".to_owned(), "the redirect is not a URL"),
    ] {
        let (server, place) = (small(), Place::new());
        let front = front_of(&server);
        server.on(USAGE, [Answer::redirect(&location.replace("HOST", &front.host()))]);
        let ended = sync_with_platform(&front.url(""), &place, &authority.pem()).with(["-vv"]).ends_with(5);
        ended.says(&[told, "hint:"]);
        assert_eq!((server.count(PERIODS), server.asked().len()), (1, 2), "{location}");
        assert!(place.data().is_empty());
        is_silent(&ended);
    }
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn a_redirect_that_goes_in_a_circle_ends() {
    let (server, place) = (small(), Place::new());
    server.on(USAGE, [Answer::redirect(USAGE)]);
    let ended = Program::sync(&server.endpoint(), &place.dest()).ends_with(5);
    ended.says(&["redirects more than 3 times"]);
    assert_eq!(server.count(USAGE), 4);
}

#[test]
fn a_redirect_to_a_trusted_host_is_followed_over_tls() {
    let (authority, place) = (Authority::new(), Place::new());
    let (server, mirror) = (small(), small());
    let front = TlsFront::start(authority.certify("localhost", VALID), &mirror);
    server.on(USAGE, [Answer::redirect(&front.url(USAGE))]);
    let sync = || sync_with_platform(&server.endpoint(), &place, &authority.pem());
    sync().ends_with(5).says(&["the redirect leaves the endpoint"]);
    assert_eq!(front.connections(), 0);
    sync().with(["--trust-host", &front.host()]).ends_with(0);
    assert_eq!(place.period("2024-11").rows(), 3);
    carried_the_key(&mirror);
}
