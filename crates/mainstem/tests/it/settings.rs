//! Settings decide how fast it goes and what it may take, never what the answer is.

use crate::world::{World, post};

/// Sizes of files, groups and frames, and numbers of threads: from the smallest that are allowed
/// to the defaults.
const SETTINGS: [&str; 4] = [
    "",
    "[admit]\nworkers = 1\nframe_rows_max = 1000\ngather_max = \"10 ms\"\n[sql]\nthreads = 1\n",
    "[journal]\nfile_size = \"4 MiB\"\ngroup_size_max = \"1 MiB\"\n\
     [admit]\nworkers = 8\nframe_bytes_max = \"64 KiB\"\nframe_rows_max = 7\n[sql]\nthreads = 8\n",
    "memory = \"256 MiB\"\n[history]\nfile_size_max = \"1 MiB\"\n\
     [admit]\nworkers = 3\ngather_max = \"0 ms\"\n[sql]\nthreads = 3\n",
];

/// What does not depend on the moment of arrival.
const QUESTIONS: [&str; 6] = [
    "SELECT count(*), count(DISTINCT invoice_no), sum(quantity), sum(unit_price) FROM purchases",
    "SELECT * FROM purchases ORDER BY 1, 2, 3, 4, 5, 6, 7, 8",
    "SELECT country, sum(quantity * unit_price) AS revenue, max(invoice_date) AS latest \
     FROM purchases GROUP BY 1 ORDER BY 1",
    "SELECT p.stock_code, count(*) AS n FROM purchases p JOIN purchases q \
     ON p.invoice_no = q.invoice_no AND p.quantity < q.quantity GROUP BY 1 ORDER BY 1",
    "SELECT _partition, count(*) AS n, count(DISTINCT invoice_no) AS invoices FROM purchases \
     GROUP BY 1 ORDER BY 1",
    "SELECT invoice_no, sum(quantity) OVER (PARTITION BY invoice_no ORDER BY stock_code, quantity, \
     unit_price ROWS UNBOUNDED PRECEDING) AS so_far FROM purchases ORDER BY 1, 2",
];

/// The same rows under other settings: answers from the log, then from files, then after a
/// restart.
#[test]
fn settings_never_change_an_answer() {
    let mut expected: Option<Vec<String>> = None;
    for settings in SETTINGS {
        let world = World::new();
        let file = world.write("settings.toml", settings);
        let options = ["--config", &file.display().to_string()].map(str::to_owned);
        let options = [options[0].as_str(), options[1].as_str()];
        let server = world.serve_with(&options);
        world.ok(&["apply", "apps/retail", "--yes"]);
        world.ok(&["load", "apps/retail/sample.csv", "--stream", "purchases"]);
        let ask = || {
            let answers = QUESTIONS.map(|question| world.ok(&["sql", "--format", "csv", question]));
            answers.to_vec()
        };
        let expected = expected.get_or_insert_with(ask);
        assert_eq!(&ask(), expected, "in the log, with:\n{settings}");
        let (status, said) = post(&server, "/v1/flush", "application/json", "{}");
        assert_eq!(status, 200, "{said}");
        assert_eq!(&ask(), expected, "in history, with:\n{settings}");
        server.kill();
        let _server = world.serve_with(&options);
        assert_eq!(&ask(), expected, "after a kill, with:\n{settings}");
    }
}
