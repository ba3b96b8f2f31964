//! Definitions to test with.

use std::collections::BTreeMap;

use mainstem_catalog::{AppDef, Change, ChangeSet, Definitions, preview};
use mainstem_kernel::{AppName, Seq, TenantId};
use mainstem_sql::{Declaration, declarations, plan_view};

/// A stream, a table, a view of windows, one that looks up, and one whose rows are final.
pub(crate) const SHOP: &str = "
CREATE STREAM orders (
  country TEXT NOT NULL, product TEXT NOT NULL, amount BIGINT NOT NULL, paid_at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR paid_at AS paid_at - INTERVAL '10 seconds'
) PARTITION BY (country);
CREATE TABLE products (product TEXT PRIMARY KEY, brand TEXT NOT NULL);
";

/// A view whose rows change.
pub(crate) const TOTALS: &str = "CREATE MATERIALIZED VIEW totals AS
  SELECT country, count(*) AS n FROM orders GROUP BY country EMIT ON UPDATE;";

/// The same, computed otherwise.
pub(crate) const TOTALS_ANEW: &str = "CREATE MATERIALIZED VIEW totals AS
  SELECT country, count(*) AS n, sum(amount) AS amount FROM orders GROUP BY country
  EMIT ON UPDATE;";

/// A view that a worker makes the input of.
pub(crate) const BRANDS: &str = "CREATE MATERIALIZED VIEW brands AS
  SELECT p.brand AS brand, count(*) AS n FROM orders AS o
  JOIN products FOR SYSTEM_TIME AS OF PROCTIME() AS p ON p.product = o.product
  GROUP BY p.brand EMIT ON UPDATE;";

pub(crate) fn app() -> AppName {
    AppName::new("shop").unwrap()
}

pub(crate) fn set(changes: Vec<Change>) -> ChangeSet {
    ChangeSet {
        tenant: TenantId::ONLY,
        app: app(),
        changes,
    }
}

/// The application itself.
pub(crate) fn begin() -> Change {
    Change::SetApp(AppDef {
        tenant: TenantId::ONLY,
        name: app(),
        version: None,
        revision: 1,
        files: BTreeMap::new(),
    })
}

/// What one statement after the other declares, each over what `defs` gives then.
pub(crate) fn declare(sql: &str, mut apply: impl FnMut(&dyn Fn(&Definitions) -> Change)) {
    let files = BTreeMap::from([("a.sql".to_owned(), sql.to_owned())]);
    for declared in declarations(&files).unwrap() {
        apply(&|defs| match &declared.declaration {
            Declaration::Stream(spec) => Change::CreateStream(spec.clone()),
            Declaration::Table(spec) => Change::CreateTable(spec.clone()),
            Declaration::View(text) => {
                let plan = plan_view(defs, TenantId::ONLY, text);
                let plan = plan.unwrap_or_else(|problems| panic!("{problems:?}"));
                Change::CreateView(plan.spec(text))
            }
            other => panic!("{other:?}"),
        });
    }
}

/// Definitions in memory.
#[derive(Default)]
pub(crate) struct Shop {
    pub(crate) defs: Definitions,
}

impl Shop {
    pub(crate) fn of(sql: &[&str]) -> Self {
        let mut shop = Self::default();
        shop.apply(begin());
        for text in [SHOP].iter().chain(sql) {
            shop.declare(text);
        }
        shop
    }

    pub(crate) fn declare(&mut self, sql: &str) {
        declare(sql, |change| {
            let change = change(&self.defs);
            self.apply(change);
        });
    }

    pub(crate) fn apply(&mut self, change: Change) {
        let seq = Seq(self.defs.seq.0 + 1);
        self.defs = preview(self.defs.clone(), &set(vec![change]), seq).unwrap();
    }

    /// The newest version of a view.
    pub(crate) fn view(&self, name: &str) -> mainstem_kernel::StreamId {
        let mut views = self.defs.views.values().rev();
        let def = views.find(|def| def.spec.name.as_str() == name).unwrap();
        def.id
    }
}
