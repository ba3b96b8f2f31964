//! Random histories of an application with tables and views over views: applying twice changes
//! nothing, a rollback restores what was, whether views were swapped in meanwhile or not.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_catalog::{Catalog, Change, Stage};

use super::{Source, TENANT, World, random::Random, source};

/// A view as a person would edit it.
#[derive(Clone)]
struct View {
    name: String,
    /// What it reads: the stream, or a view before it that only adds rows.
    input: String,
    /// What it computes.
    least: usize,
    /// How it is written.
    blanks: usize,
    is_grouped: bool,
}

/// An application as a person would edit it.
#[derive(Clone)]
struct Model {
    columns: usize,
    tables: BTreeMap<String, usize>,
    views: Vec<View>,
    renames: Vec<String>,
}

impl Model {
    fn source(&self) -> Source {
        let more: Vec<String> = (0..self.columns).map(|n| format!(", c{n} TEXT")).collect();
        let mut sql = format!("CREATE STREAM s (a TEXT, b BIGINT{});\n", more.concat());
        for (name, days) in &self.tables {
            let ttl = format!("WITH (ttl = '{days} days')");
            sql.push_str(&format!(
                "CREATE TABLE {name} (id TEXT PRIMARY KEY) {ttl};\n"
            ));
        }
        for view in &self.views {
            let View {
                name, input, least, ..
            } = view;
            let blanks = " ".repeat(view.blanks);
            let head = format!("CREATE MATERIALIZED VIEW {name} AS SELECT a, {blanks}");
            let body = match view.is_grouped {
                false => format!("b FROM {input} WHERE b > {least};\n"),
                true => format!(
                    "count(*) AS n FROM {input} WHERE b > {least} GROUP BY a EMIT ON UPDATE;\n"
                ),
            };
            sql.push_str(&format!("{head}{body}"));
        }
        source("shop", &format!("{sql}{}", self.renames.join("\n")))
    }

    /// Takes a view out, and whatever reads it.
    fn remove(&mut self, name: &str) {
        let readers = self.views.iter().filter(|view| view.input == name);
        let readers: Vec<String> = readers.map(|view| view.name.clone()).collect();
        self.views.retain(|view| view.name != name);
        readers.iter().for_each(|reader| self.remove(reader));
    }

    fn rename(&mut self, from: &str, to: &str) {
        for view in &mut self.views {
            for name in [&mut view.name, &mut view.input] {
                if name == from {
                    *name = to.to_owned();
                }
            }
        }
        self.renames.push(format!("RENAME {from} TO {to};"));
    }

    /// One edit that is allowed.
    fn edit(&mut self, random: &mut Random, n: usize) {
        if self.views.len() < 2 || random.below(5) == 0 {
            let inputs = self.views.iter().filter(|view| !view.is_grouped);
            let mut inputs: Vec<&str> = inputs.map(|view| view.name.as_str()).collect();
            inputs.push("s");
            let view = View {
                name: format!("v{n}"),
                input: inputs[random.below(inputs.len())].to_owned(),
                least: random.below(9),
                blanks: 0,
                is_grouped: random.below(3) == 0,
            };
            self.views.push(view);
            return;
        }
        let at = random.below(self.views.len());
        let name = self.views[at].name.clone();
        match random.below(9) {
            0 => self.remove(&name),
            1 => self.rename(&name, &format!("w{n}")),
            2 => self.columns += 1,
            3 => drop(self.tables.insert(format!("t{}", n % 3), 1 + n % 5)),
            4 => drop(self.tables.pop_first()),
            5 => self.views[at].blanks += 1,
            _ => self.views[at].least = random.below(9),
        }
    }
}

/// Statements of what is wanted by name: of a view the version that is being built, if any.
fn shape(world: &World) -> BTreeMap<String, (u32, String)> {
    let definitions = world.definitions();
    let shop = source("shop", "").name;
    let mut shape = BTreeMap::new();
    for def in definitions.tables_of(TENANT, &shop) {
        shape.insert(def.spec.name.to_string(), (def.id.0, def.spec.sql.clone()));
    }
    for def in definitions.views_of(TENANT, &shop) {
        let name = def.spec.name.to_string();
        if def.stage == Stage::Building || !shape.contains_key(&name) {
            shape.insert(name, (def.id.0, def.spec.sql.clone()));
        }
    }
    shape
}

fn without_ids(shape: &BTreeMap<String, (u32, String)>) -> Vec<(&str, &str)> {
    let shape = shape.iter();
    shape
        .map(|(name, (_, sql))| (name.as_str(), sql.as_str()))
        .collect()
}

/// Applies, and again.
fn apply(world: &World, model: &Model) {
    let source = model.source();
    world.apply(&source);
    let (then, frames) = (shape(world), world.frames());
    let again = world.apps.plan(TENANT, &source).unwrap();
    assert_eq!(again.steps, [], "{}", again.text());
    world
        .apps
        .apply(TENANT, &source, &again.fingerprint)
        .unwrap();
    assert_eq!((shape(world), world.frames()), (then, frames));
    let views = model.views.iter().map(|view| view.name.as_str());
    let mut declared: Vec<&str> = views
        .chain(model.tables.keys().map(String::as_str))
        .collect();
    declared.sort_unstable();
    assert_eq!(shape(world).keys().collect::<Vec<_>>(), declared);
}

/// Forgets a version that is not computed any more.
fn forget(world: &World) -> bool {
    let definitions = world.definitions();
    let mut over = definitions
        .views
        .values()
        .filter(|def| !def.is_running() && definitions.readers(def.id).next().is_none());
    let Some(def) = over.next() else {
        return false;
    };
    world.change("shop", Change::ForgetView { id: def.id });
    true
}

#[derive(Default)]
struct Exercised {
    rollbacks: usize,
    restored: usize,
    rebuilt: usize,
    forgotten: usize,
}

fn run(seed: u64, exercised: &mut Exercised) {
    let world = World::new();
    let mut random = Random(seed);
    let mut model = Model {
        columns: 0,
        tables: BTreeMap::new(),
        views: Vec::new(),
        renames: Vec::new(),
    };
    model.edit(&mut random, 0);
    apply(&world, &model);
    for n in 1..25 {
        if random.below(3) > 0 {
            world.swap();
        }
        let (model_before, before) = (model.clone(), shape(&world));
        let revision = |world: &World| world.definitions().app(TENANT, "shop").unwrap().revision;
        let first = revision(&world);
        model.renames.clear();
        for edit in 0..=random.below(3) {
            // RENAMEs of one apply must not build on each other.
            if model.renames.is_empty() {
                model.edit(&mut random, n * 10 + edit);
            }
        }
        let planned = world.plan(&model.source());
        exercised.rebuilt += planned.matches("rebuild view").count();
        apply(&world, &model);
        let after = shape(&world);
        if random.below(2) == 0 || revision(&world) == first {
            continue;
        }
        if random.below(2) == 0 {
            world.swap();
        }
        let is_whole = random.below(4) > 0 || !forget(&world);
        exercised.forgotten += usize::from(!is_whole);
        exercised.rollbacks += 1;
        let text = world.rollback("shop");
        exercised.restored += text.matches("restore view").count();
        let back = shape(&world);
        assert_eq!(
            without_ids(&back),
            without_ids(&before),
            "seed {seed}, step {n}: {text}"
        );
        if is_whole {
            assert_eq!(
                back, before,
                "seed {seed}, step {n}: the same versions\n{text}"
            );
        }
        let plan = world.plan(&model_before.source());
        assert!(
            plan.contains("nothing changes"),
            "seed {seed}, step {n}: {plan}"
        );
        if random.below(2) == 0 {
            model = model_before;
            continue;
        }
        let text = world.rollback("shop");
        let again = shape(&world);
        assert_eq!(
            without_ids(&again),
            without_ids(&after),
            "seed {seed}, step {n}: {text}"
        );
    }
    world.swap();
    let again = Catalog::open(Arc::clone(&world.log)).unwrap();
    assert_eq!(again.definitions(), world.definitions(), "seed {seed}");
}

#[test]
fn random_histories_of_views_keep_their_promises() {
    let mut exercised = Exercised::default();
    (1..=25).for_each(|seed| run(seed * 0x9e37_79b9, &mut exercised));
    let Exercised {
        rollbacks,
        restored,
        rebuilt,
        forgotten,
    } = exercised;
    let counts = [rollbacks, restored, rebuilt, forgotten];
    assert!(
        rollbacks > 150 && restored > 40 && rebuilt > 80 && forgotten > 10,
        "{counts:?} exercise too little"
    );
}
