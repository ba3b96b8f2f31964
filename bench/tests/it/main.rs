//! The harness as a command. It never starts a node.

use std::process::Command;

#[test]
fn what_cannot_strike_is_refused_before_anything_is_started() {
    let check = |strike: &str, expected: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_mainstem-bench"))
            .args([
                "prove",
                "--mainstem=none",
                "--cluster=none",
                "--config=/dev/null",
            ])
            .arg(format!("--strikes={strike}"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(expected),
            "{said}"
        );
    };
    check(
        "burn:worker-1",
        "expected kill:NAME, pause:NAME, cut:gateway-N, fill:kafka-N or forbid:kafka",
    );
    check("cut:gateway-1", "where --ways says how it gets there");
}
