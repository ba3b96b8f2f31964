use super::Address;

fn uri(text: &str) -> String {
    match Address::parse(text) {
        Ok(address) => address.uri(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_an_address() {
    let reason = |what: &str| {
        format!("the address of Spark is sc://HOST:PORT or sc://HOST:PORT/;KEY=VALUE: {what}")
    };
    for (text, expected) in [
        ("sc://127.0.0.1:15002", "http://127.0.0.1:15002".to_owned()),
        ("sc://spark", "http://spark:15002".to_owned()),
        ("sc://[::1]/", "http://[::1]:15002".to_owned()),
        ("sc://[::1]:9", "http://[::1]:9".to_owned()),
        ("sc://a:1/;use_ssl=true;token=x", "https://a:1".to_owned()),
        ("sc://localhost:1/;token=x", "http://localhost:1".to_owned()),
        ("sc://a:1/;token=x", reason("a token needs use_ssl=true")),
        ("http://a", reason("it begins with sc://")),
        ("sc://", reason("behind sc:// is HOST:PORT")),
        ("sc://a:0", reason("a port is 1 to 65535")),
        ("sc://a:x", reason("a port is 1 to 65535")),
        ("sc://a/b", reason("behind HOST:PORT/ is ;KEY=VALUE")),
        ("sc://a/;b", reason("a setting is KEY=VALUE")),
        ("sc://a/;use_ssl=1", reason("use_ssl is true or false")),
        (
            "sc://a/;session_id=1",
            reason("the session follows from the prefix of topics"),
        ),
    ] {
        assert_eq!(uri(text), expected, "{text}");
    }
}

#[test]
fn a_token_is_not_shown_and_other_keys_are_headers() {
    let address = Address::parse("sc://a/;use_ssl=true;token=secret;x-team=7;user_id=u").unwrap();
    assert!(!format!("{address:?}").contains("secret"));
    assert_eq!(address.headers, [("x-team".to_owned(), "7".to_owned())]);
    assert_eq!(address.user, "u");
}
