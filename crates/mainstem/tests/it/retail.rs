//! The main job: a year of a real shop, or its first day where the whole is not there.

use std::path::PathBuf;

use crate::world::{World, post, repository};

/// The whole file, if this machine has it.
fn whole_file() -> Option<PathBuf> {
    let folder = std::env::var("MAINSTEM_TEST_DATA").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|_| repository().join("../shared/data"));
    let file = folder.join("online-retail/online-retail.csv.gz");
    if file.exists() {
        return Some(file);
    }
    println!("SKIPPED: the whole file is not at {}", file.display());
    println!("         set MAINSTEM_TEST_DATA to the folder that holds online-retail/");
    None
}

#[test]
fn a_day_of_the_shop_adds_up() {
    let world = World::new();
    let _server = world.serve();
    world.ok(&["apply", "apps/retail", "--yes"]);
    world.ok(&["load", "apps/retail/sample.csv", "--stream", "purchases"]);
    assert_eq!(
        world.ask("SELECT count(*), count(DISTINCT invoice_no) FROM purchases"),
        "3108,143"
    );
    let question = "SELECT country, sum(quantity * unit_price) AS revenue FROM purchases \
                    GROUP BY 1 ORDER BY 2 DESC LIMIT 2";
    let answer = world.ok(&["sql", "--format", "csv", question]);
    assert_eq!(
        answer,
        "country,revenue\nUnited Kingdom,54615.150\nNorway,1919.140\n"
    );
}

#[test]
fn the_whole_year_arrives_and_no_row_twice() {
    let Some(file) = whole_file() else { return };
    let world = World::new();
    let server = world.serve();
    world.ok(&["apply", "apps/retail", "--yes"]);
    let arguments = ["load", &file.display().to_string(), "--stream", "purchases"];
    let loaded = world.run(&arguments);
    assert_eq!(loaded.code, 0, "{}", loaded.stderr);
    assert!(
        loaded.stderr.contains("loaded 541,909 rows") && loaded.stderr.contains(" 0 rejected"),
        "{}",
        loaded.stderr
    );
    world.ok(&arguments);
    let question = "SELECT count(*), count(DISTINCT invoice_no), count(DISTINCT customer_id), \
                    count(*) - count(customer_id) FROM purchases";
    let expected = "541909,25900,4372,135080";
    assert_eq!(world.ask(question), expected);
    let copies = "SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM purchases GROUP BY invoice_no, \
                  stock_code, description, quantity, invoice_date, unit_price, customer_id, country)";
    assert_eq!(world.ask(copies), "5268");
    let (status, answer) = post(&server, "/v1/flush", "application/json", "{}");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(world.ask(question), expected, "after it was archived");
    let (said, code) = server.stop();
    assert_eq!(code, 0, "{said}");
    let _server = world.serve();
    assert_eq!(world.ask(question), expected, "after a restart");
}
