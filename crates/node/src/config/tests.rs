//! Settings at their edges.

use std::{path::Path, time::Duration};

use mainstem_kernel::Fault;

use super::*;

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::read(Path::new("m.toml"), text)
}

/// What a person sees of a refused file.
fn refused(text: &str) -> String {
    read(text).unwrap_err().problem().to_string()
}

#[test]
fn the_defaults_are_whole_and_a_file_changes_only_what_it_names() {
    let defaults = Config::defaults().unwrap();
    let changed = read("memory = \"2 GiB\"\n[sql]\nquery_time_max = \"2 min\"\n[http]\n").unwrap();
    assert_eq!(changed.memory, Memory::Size(ByteSize::gib(2)));
    assert_eq!(changed.sql.query_time_max, Span(Duration::from_secs(120)));
    assert_eq!(changed.http, defaults.http);
    assert_eq!(
        read(DEFAULT_TOML).unwrap(),
        defaults,
        "what is printed can be read"
    );
}

#[test]
fn an_unknown_setting_is_refused_with_its_line_and_the_nearest_name() {
    assert_eq!(
        refused("# mine\n[admit]\ngather_mx = \"2 ms\"\n"),
        "error[NODE-004]: there is no setting \"admit.gather_mx\"\n  --> m.toml:3:1\n\
         hint: is it \"admit.gather_max\"?"
    );
    assert_eq!(
        refused("[wormhole]\nx = 1\n"),
        "error[NODE-004]: there is no setting \"wormhole.x\"\n  --> m.toml:2:1\n\
         hint: `mainstem serve --print-config` prints every setting"
    );
}

#[test]
fn a_value_of_another_kind_is_refused_with_what_was_expected() {
    let check = |text: &str, line: u32, expected: &str| {
        let found = refused(text);
        assert!(found.contains(&format!("m.toml:{line}:")), "{found}");
        assert!(found.contains(expected), "{found}");
    };
    check("\nmemory = 17", 2, "setting \"memory\"");
    check(
        "memory = \"120%\"",
        1,
        "expected a share from 1% to 95%, found \"120%\"",
    );
    check("memory = \"2 GB\"", 1, "expected a size such as");
    check(
        "[http]\nread_time_max = \"10\"",
        2,
        "expected a time such as \"30 s\"",
    );
    check(
        "[http]\nconnections_max = -1",
        2,
        "setting \"http.connections_max\"",
    );
    check(
        "[disk]\nfree_min = 0",
        2,
        "expected 1 to 95 percent, found 0",
    );
    check("[trace]\nformat = \"xml\"", 2, "unknown variant");
    check("sql = 5", 1, "setting \"sql\"");
}

#[test]
fn what_is_not_toml_is_refused_where_reading_stopped() {
    let found = refused("[http]\nread_time_max = 10 s\n");
    assert!(found.starts_with("error[NODE-006]"), "{found}");
    assert!(found.contains("m.toml:2:"), "{found}");
}

#[test]
fn every_setting_has_a_comment_above_it() {
    let lines: Vec<_> = DEFAULT_TOML.lines().collect();
    for (i, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains(" = "))
    {
        let above = i.checked_sub(1).map_or("", |above| lines[above]);
        assert!(
            line.starts_with('#') || above.starts_with('#'),
            "no comment above: {line}"
        );
    }
}
