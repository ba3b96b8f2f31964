//! Questions: answered, refused by name, stopped.

use std::{error::Error, sync::Arc, time::Duration};

use arrow::{
    array::AsArray,
    datatypes::{DataType, Int64Type, TimeUnit},
};
use mainstem_kernel::Fault as _;

use super::{
    super::{Spark, SparkError},
    bed::{TIME, Unwatched, config, spark},
};

/// The code of an error, and all of its words.
fn told(error: &SparkError) -> (&'static str, String) {
    let mut words = error.to_string();
    if let Some(source) = error.source() {
        words.push_str(": ");
        words.push_str(&source.to_string());
    }
    (error.answer().code.as_str(), words)
}

#[tokio::test]
async fn rows_come_in_pieces_with_the_types_of_spark() {
    let Some(spark) = spark("pieces").await else {
        return;
    };
    let sql = "SELECT id, CAST(id AS DECIMAL(12,3)) n, timestamp_micros(id) at FROM range(50000)";
    let mut answer = spark.ask(sql, TIME).await.unwrap();
    let schema = answer.schema();
    let types: Vec<&DataType> = schema
        .fields()
        .iter()
        .map(|field| field.data_type())
        .collect();
    let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    assert_eq!(
        types,
        [&DataType::Int64, &DataType::Decimal128(12, 3), &utc]
    );
    let (mut rows, mut sum) = (0, 0);
    while let Some(batch) = answer.next().await.unwrap() {
        rows += batch.num_rows();
        let ids = batch.column(0).as_primitive::<Int64Type>();
        sum += ids.values().iter().sum::<i64>();
    }
    assert_eq!((rows, sum), (50_000, 49_999 * 25_000));
}

#[tokio::test]
async fn an_empty_answer_has_columns() {
    let Some(spark) = spark("empty").await else {
        return;
    };
    let mut answer = spark
        .ask("SELECT 1 AS one WHERE false", TIME)
        .await
        .unwrap();
    assert_eq!(answer.schema().field(0).name(), "one");
    assert!(answer.next().await.unwrap().is_none());
}

#[tokio::test]
async fn what_spark_refuses_has_a_name() {
    let Some(spark) = spark("refused").await else {
        return;
    };
    let (code, words) = told(&spark.ask("SELECT x FROM range(1)", TIME).await.unwrap_err());
    assert_eq!(code, "CLUS-054");
    assert!(words.contains("UNRESOLVED_COLUMN"), "{words}");
    let (code, words) = told(&spark.run("SELEC 1").await.unwrap_err());
    assert_eq!(code, "CLUS-054");
    assert!(words.contains("PARSE_SYNTAX_ERROR"), "{words}");
    // A division by zero is an error, as on one machine: the session has the settings.
    let mut answer = spark.ask("SELECT 1 div id FROM range(1)", TIME).await;
    if let Ok(begun) = &mut answer {
        answer = begun
            .next()
            .await
            .map(|_| unreachable!("1 div 0 has an answer"));
    }
    let (code, words) = told(&answer.unwrap_err());
    assert_eq!(code, "CLUS-054");
    assert!(words.contains("DIVIDE_BY_ZERO"), "{words}");
}

#[tokio::test]
async fn a_question_that_takes_too_long_is_stopped_there_too() {
    let Some(spark) = spark("late").await else {
        return;
    };
    let endless = "SELECT count(*) FROM range(0, 4000000000000, 1, 2) WHERE hash(id) % 7 = 3";
    let limit = Duration::from_secs(3);
    let asked = spark.ask(endless, limit).await;
    let (code, words) = told(&match asked {
        Ok(mut answer) => answer.next().await.unwrap_err(),
        Err(error) => error,
    });
    assert_eq!(code, "CLUS-055");
    assert!(words.contains("within 3 s"), "{words}");
    // Both cores are free again: this would wait for hours.
    let counted = spark
        .ask("SELECT count(*) FROM range(0, 1000, 1, 2)", TIME)
        .await;
    assert!(counted.unwrap().next().await.unwrap().is_some());
}

#[tokio::test]
async fn a_spark_that_is_not_there_is_named() {
    let gone = config("sc://127.0.0.1:1", "nobody");
    let error = Spark::open(gone, Arc::new(Unwatched)).await.unwrap_err();
    assert_eq!(told(&error).0, "CLUS-051");
    assert!(
        told(&error)
            .1
            .starts_with("Spark at 127.0.0.1:1 could not be reached")
    );
}
