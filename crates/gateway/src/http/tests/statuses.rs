//! Which code gets which status.

use expect_test::expect;
use mainstem_kernel::{Answer, Code};

use crate::http::problem::status;

#[test]
fn codes_that_say_more_than_who_has_to_act_have_a_status_of_their_own() {
    let mut lines = String::new();
    for code in Code::ALL {
        let (caller, node) = (status(Answer::caller(*code)), status(Answer::node(*code)));
        assert!(!caller.is_success() && !node.is_success());
        if (caller.as_u16(), node.as_u16()) != (400, 503) {
            assert_eq!(caller, node, "{code}");
            lines.push_str(&format!("{code} {}\n", caller.as_u16()));
        }
        let busy = Answer::busy(*code, std::time::Duration::from_secs(1));
        assert_eq!(status(busy).as_u16(), 429, "{code}");
    }
    expect![[r#"
        LOG-002 409
        LOG-003 409
        LOG-004 409
        LOG-005 413
        ADMIT-001 404
        ADMIT-002 413
        ADMIT-005 409
        ADMIT-006 409
        CAT-001 409
        SQL-030 422
        SQL-031 422
        SQL-032 429
        SQL-033 503
        APP-001 422
        APP-002 409
        APP-011 409
        APP-012 404
        APP-013 409
        HTTP-001 401
        HTTP-002 401
        HTTP-003 404
        HTTP-004 405
        HTTP-005 415
        HTTP-006 415
        HTTP-007 413
        HTTP-008 413
        HTTP-010 408
        HTTP-012 406
        HTTP-019 404
        NODE-009 429
        NODE-011 409
        NODE-017 404
        NODE-020 429
        NODE-021 503
    "#]]
    .assert_eq(&lines);
}
