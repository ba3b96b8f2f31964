//! Random histories of an application: applying twice changes nothing, a rollback restores what
//! was, another one leads back, and opening again gives the same definitions.

use std::{collections::BTreeMap, sync::Arc};

use mainstem_catalog::Catalog;

use super::{Source, TENANT, World, source};

/// xorshift: the seed is all that a failure needs.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n.max(1) as u64).unwrap()
    }
}

#[derive(Clone)]
struct Column {
    name: String,
    ty: &'static str,
    nullable: bool,
}

/// An application as a person would edit it.
#[derive(Clone)]
struct Model {
    streams: BTreeMap<String, (Vec<Column>, u32)>,
    renames: Vec<String>,
}

impl Model {
    fn source(&self) -> Source {
        let mut sql = String::new();
        for (name, (columns, days)) in &self.streams {
            let columns: Vec<String> = columns
                .iter()
                .map(|c| {
                    format!(
                        "{} {}{}",
                        c.name,
                        c.ty,
                        if c.nullable { "" } else { " NOT NULL" }
                    )
                })
                .collect();
            let columns = columns.join(", ");
            sql.push_str(&format!(
                "CREATE STREAM {name} ({columns}) WITH (retention = '{days} days');\n"
            ));
        }
        source("shop", &format!("{sql}{}", self.renames.join("\n")))
    }

    /// One edit that is allowed.
    fn edit(&mut self, random: &mut Random, n: usize) {
        const TYPES: [&str; 3] = ["TEXT", "BIGINT", "TIMESTAMPTZ"];
        let names: Vec<String> = self.streams.keys().cloned().collect();
        if names.len() < 2 || random.below(8) == 0 {
            let ty = TYPES[random.below(3)];
            let column = |name: &str, nullable| Column {
                name: name.to_owned(),
                ty,
                nullable,
            };
            self.streams.insert(
                format!("s{n}"),
                (vec![column("a", false), column("b", true)], 9),
            );
            return;
        }
        let name = names[random.below(names.len())].clone();
        match random.below(7) {
            0 => drop(self.streams.remove(&name)),
            1 => {
                let stream = self.streams.remove(&name).unwrap();
                self.streams.insert(format!("t{n}"), stream);
                self.renames.push(format!("RENAME {name} TO t{n};"));
            }
            2 => self.streams.get_mut(&name).unwrap().1 = 1 + u32::try_from(n).unwrap(),
            edit => {
                let columns = &mut self.streams.get_mut(&name).unwrap().0;
                let at = random.below(columns.len());
                match edit {
                    3 => {
                        let new = Column {
                            name: format!("c{n}"),
                            ty: TYPES[n % 3],
                            nullable: true,
                        };
                        columns.insert(at, new);
                    }
                    4 => {
                        let from = std::mem::replace(&mut columns[at].name, format!("r{n}"));
                        self.renames.push(format!("RENAME {name}.{from} TO r{n};"));
                    }
                    5 => columns[at].nullable = true,
                    _ => columns.rotate_left(at),
                }
            }
        }
    }
}

type Shape = BTreeMap<String, (u32, Vec<(u32, String, String)>, String)>;

/// Streams with their columns, by id and name; NULL aside, which only goes forward.
fn shape(world: &World) -> Shape {
    let definitions = world.definitions();
    let shop = source("shop", "").name;
    let streams = definitions.streams_of(TENANT, &shop).map(|def| {
        let columns = def.spec.columns.0.iter();
        let columns = columns.map(|c| (c.id, c.name.to_string(), c.ty.to_string()));
        let retention = format!("{:?}", def.spec.retention);
        (
            def.spec.name.to_string(),
            (def.id.0, columns.collect(), retention),
        )
    });
    streams.collect()
}

/// Applies, and again.
fn apply(world: &World, model: &Model) {
    let source = model.source();
    world.apply(&source);
    let (shape_then, frames) = (shape(world), world.frames());
    let again = world.apps.plan(TENANT, &source).unwrap();
    assert_eq!(again.steps, [], "{}", again.text());
    world
        .apps
        .apply(TENANT, &source, &again.fingerprint)
        .unwrap();
    assert_eq!((shape(world), world.frames()), (shape_then, frames));
    let declared: Vec<&String> = model.streams.keys().collect();
    assert_eq!(shape(world).keys().collect::<Vec<_>>(), declared);
}

fn run(seed: u64) -> usize {
    let world = World::new();
    let mut random = Random(seed);
    let mut model = Model {
        streams: BTreeMap::new(),
        renames: Vec::new(),
    };
    model.edit(&mut random, 0);
    apply(&world, &model);
    let mut rollbacks = 0;
    for n in 1..40 {
        let (model_before, before) = (model.clone(), shape(&world));
        model.renames.clear();
        for edit in 0..=random.below(3) {
            // RENAMEs of one apply must not build on each other.
            if model.renames.is_empty() {
                model.edit(&mut random, n * 10 + edit);
            }
        }
        apply(&world, &model);
        let after = shape(&world);
        if random.below(3) > 0 || world.definitions().app(TENANT, "shop").unwrap().revision < 2 {
            continue;
        }
        if after == before {
            // Only text or NULL changed.
            continue;
        }
        rollbacks += 1;
        world.rollback("shop");
        assert_eq!(shape(&world), before, "seed {seed}, step {n}: rollback");
        let back = world.apps.plan(TENANT, &model_before.source()).unwrap();
        assert_eq!(back.steps, [], "seed {seed}, step {n}: {}", back.text());
        if random.below(2) == 0 {
            model = model_before;
            continue;
        }
        world.rollback("shop");
        assert_eq!(
            shape(&world),
            after,
            "seed {seed}, step {n}: rollback of the rollback"
        );
    }
    let again = Catalog::open(Arc::clone(&world.log)).unwrap();
    assert_eq!(again.definitions(), world.definitions(), "seed {seed}");
    rollbacks
}

#[test]
fn random_histories_keep_their_promises() {
    let rollbacks: usize = (1..=40).map(|seed| run(seed * 0x9e37_79b9)).sum();
    assert!(rollbacks > 200, "{rollbacks} rollbacks exercise too little");
}
