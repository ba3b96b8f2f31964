//! The reference page of all routes is what the table says.

use std::fmt::Write;

use crate::http::routes::{Parameter, ROUTES, Verb};

fn reference() -> String {
    let mut page = String::from(
        "# HTTP routes\n\n\
         Written by `crates/gateway`: change its table of routes, not this page. `/openapi.json` of a \
         running server says the same for programs, with bodies and answers.\n",
    );
    for route in ROUTES {
        let verb = match route.verb {
            Verb::Get => "GET",
            Verb::Post => "POST",
        };
        let (path, summary, permission) = (route.path, route.summary, route.permission);
        writeln!(
            page,
            "\n## {verb} {path}\n\n{summary}. Permission: {permission:?}."
        )
        .unwrap();
        let parameters = route.parameters.iter().map(|one| ("parameter", one));
        let headers = route.headers.iter().map(|one| ("header", one));
        let all: Vec<(&str, &Parameter)> = parameters.chain(headers).collect();
        if all.is_empty() {
            continue;
        }
        page.push_str("\n| | name | meaning |\n|---|---|---|\n");
        for (kind, Parameter { name, summary }) in all {
            writeln!(page, "| {kind} | `{name}` | {summary} |").unwrap();
        }
    }
    page
}

#[test]
fn the_reference_page_is_current() {
    expect_test::expect_file!["../../../../../docs/reference/http.md"].assert_eq(&reference());
}
