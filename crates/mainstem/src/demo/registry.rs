//! The registry of the fleet: which vehicles and owners there are, written into its tables.

use serde_json::{Value, json};

use super::fleet::{COUNTRIES, owner_of};
use crate::{client::Server, failure::Outcome};

/// Rows of one statement.
const ROWS: u32 = 500;
/// Models, by the number of the vehicle.
const MODELS: [&str; 5] = ["Otter", "Heron", "Otter XL", "Finch", "Bison"];

/// Writes what is not there yet.
pub(super) async fn fill(server: &Server, vehicles: u32) -> Outcome {
    let vehicle = |id: u32| {
        let model = pick(&MODELS, id).unwrap_or("Otter");
        format!("('v-{id}', '{model}', 'p-{}')", owner_of(id))
    };
    let owner = |id: u32| {
        let country = pick(&COUNTRIES, id).unwrap_or("Germany");
        format!("('p-{id}', '{country}')")
    };
    let owners = vehicles.checked_sub(1).map_or(0, |last| owner_of(last) + 1);
    insert(server, "owners", owners, owner).await?;
    insert(server, "vehicles", vehicles, vehicle).await
}

async fn insert(server: &Server, table: &str, rows: u32, row: impl Fn(u32) -> String) -> Outcome {
    for first in (0..rows).step_by(ROWS as usize) {
        let ids = first..rows.min(first.saturating_add(ROWS));
        let values: Vec<String> = ids.map(&row).collect();
        let values = values.join(", ");
        let query = format!("INSERT INTO {table} VALUES {values} ON CONFLICT DO NOTHING");
        let _written: Value = server.post("/v1/sql", &json!({ "query": query })).await?;
    }
    Ok(())
}

fn pick(list: &[&'static str], id: u32) -> Option<&'static str> {
    list.iter().cycle().nth(id as usize % list.len()).copied()
}
