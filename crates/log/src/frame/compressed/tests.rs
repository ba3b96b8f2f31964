//! What is written here is read by Arrow, and means what Arrow's own writer writes.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int16Array,
        Int64Array, ListArray, NullArray, RecordBatch, StringArray, StringViewArray, StructArray,
    },
    datatypes::{Field, Int64Type},
    ipc::{
        reader::{StreamDecoder, StreamReader},
        writer::{IpcWriteOptions, StreamEncoder, StreamWriter},
    },
};

use super::{super::encode_body, *};

/// Numbers that neither repeat nor are random.
fn mixed(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) ^ n
}

fn number(n: u64) -> i64 {
    i64::try_from(n % 1_000_003).unwrap()
}

/// Columns of every shape, some that compress and some that do not.
fn batch(rows: u64) -> RecordBatch {
    let some = |n: u64| n % 5 != 3;
    let ints = Int64Array::from_iter((0..rows).map(|n| some(n).then(|| number(n))));
    let noise = Float64Array::from_iter_values((0..rows).map(|n| f64::from_bits(mixed(n) >> 2)));
    let texts = StringArray::from_iter((0..rows).map(|n| some(n).then(|| format!("text {n}"))));
    let views = StringViewArray::from_iter_values((0..rows).map(|n| format!("{:>20}", n % 7)));
    let bytes = (0..rows).flat_map(|n| mixed(n).to_le_bytes());
    let bytes: Vec<u8> = bytes.collect();
    let raw = BinaryArray::from_iter_values(bytes.chunks(8));
    let lists =
        (0..rows).map(|n| some(n).then(|| (0..n % 4).map(move |own| Some(number(own ^ n)))));
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(lists);
    let amounts = Decimal128Array::from_iter_values((0..rows).map(i128::from));
    let flags: BooleanArray = (0..rows).map(|n| some(n).then_some(n % 3 == 0)).collect();
    let small = Int16Array::from_iter_values((0..rows).map(|n| i16::try_from(n % 9).unwrap()));
    let pair = StructArray::from(vec![
        field("flag", &(Arc::new(flags.clone()) as ArrayRef)),
        field("small", &(Arc::new(small) as ArrayRef)),
    ]);
    let columns: [(&str, ArrayRef); 9] = [
        ("ints", Arc::new(ints)),
        ("noise", Arc::new(noise)),
        ("texts", Arc::new(texts)),
        ("views", Arc::new(views)),
        ("raw", Arc::new(raw)),
        ("lists", Arc::new(lists)),
        ("amounts", Arc::new(amounts)),
        ("flags", Arc::new(flags)),
        ("pair", Arc::new(pair)),
    ];
    let nothing: ArrayRef = Arc::new(NullArray::new(usize::try_from(rows).unwrap()));
    let columns = columns.into_iter().chain([("nothing", nothing)]);
    RecordBatch::try_from_iter(columns).unwrap()
}

fn field(name: &str, column: &ArrayRef) -> (Arc<Field>, ArrayRef) {
    let field = Field::new(name, column.data_type().clone(), true);
    (Arc::new(field), Arc::clone(column))
}

fn options() -> IpcWriteOptions {
    IpcWriteOptions::try_new(ALIGNMENT, false, MetadataVersion::V5).unwrap()
}

fn encoded(batch: &RecordBatch) -> Bytes {
    let mut encoder = StreamEncoder::try_new_with_options(batch.schema_ref(), options()).unwrap();
    compressed(&encoder.encode(batch).unwrap()).unwrap()
}

fn decoded(body: &Bytes) -> RecordBatch {
    let mut reader = StreamReader::try_new(body.as_ref(), None).unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert!(reader.next().is_none());
    batch
}

#[test]
fn arrow_reads_every_column_back() {
    for rows in [0, 1, 2, 7, 300, 9_000, 100_000] {
        let batch = batch(rows);
        let body = encoded(&batch);
        assert_eq!(decoded(&body), batch, "{rows} rows");
        let mut rest = Buffer::from(body.clone());
        let read = StreamDecoder::new().decode(&mut rest).unwrap().unwrap();
        assert_eq!(read, batch, "{rows} rows");
        let cut = batch.slice(batch.num_rows() / 3, batch.num_rows() / 2);
        assert_eq!(decoded(&encoded(&cut)), cut, "a part of {rows} rows");
    }
}

#[test]
fn buffers_lie_as_those_that_arrow_writes_and_take_no_more_bytes() {
    let batch = batch(20_000);
    let with = options().try_with_compression(Some(CompressionType::LZ4_FRAME));
    let schema = batch.schema_ref();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), schema, with.unwrap()).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let (own, arrows) = (encoded(&batch), writer.into_inner().unwrap());
    let longer = own.len().abs_diff(arrows.len());
    assert!(
        longer < arrows.len() / 100,
        "{} {}",
        own.len(),
        arrows.len()
    );
    // What it says of itself: messages begin at multiples of the alignment.
    let message = |stream: &[u8]| {
        let length = u32::from_le_bytes(*stream[4..].first_chunk().unwrap()) as usize;
        (
            stream[PREFIX_BYTES..PREFIX_BYTES + length].to_vec(),
            PREFIX_BYTES + length,
        )
    };
    let shape = |stream: &[u8]| {
        let (_, schema) = message(stream);
        let (batch, length) = message(&stream[schema..]);
        assert_eq!((schema + length) % ALIGNMENT, 0);
        let message = root_as_message(&batch).unwrap();
        let header = message.header_as_record_batch().unwrap();
        assert_eq!(
            header.compression().unwrap().codec(),
            CompressionType::LZ4_FRAME
        );
        let buffers = header.buffers().unwrap();
        assert!(buffers.iter().all(|own| own.offset() % 16 == 0));
        let empty = buffers
            .iter()
            .map(|own| own.length() == 0)
            .collect::<Vec<_>>();
        let nodes = header.nodes().unwrap().iter();
        let nodes = nodes.map(|node| (node.length(), node.null_count()));
        (header.length(), empty, nodes.collect::<Vec<_>>())
    };
    assert_eq!(shape(&own), shape(&arrows));
}

#[test]
fn a_thread_goes_on_after_a_large_body() {
    let rows = 1_500_000;
    let noise = Int64Array::from_iter_values((0..rows).map(|n| (mixed(n) >> 1).cast_signed()));
    let column: ArrayRef = Arc::new(noise);
    let large = RecordBatch::try_from_iter([("n", column)]).unwrap();
    for batch in [&large, &batch(50), &large] {
        assert_eq!(&decoded(&encoded(batch)), batch);
    }
    let kept = SCRATCH.with_borrow(|scratch| scratch.body.capacity() + scratch.block.capacity());
    assert!(kept <= 2 * SCRATCH_MOST);
}

#[test]
fn bodies_that_end_early_are_refused() {
    let batch = batch(400);
    let mut encoder = StreamEncoder::try_new_with_options(batch.schema_ref(), options()).unwrap();
    let parts = encoder.encode(&batch).unwrap();
    for count in 0..parts.len() - 2 {
        let refused = compressed(&parts[..count]).map(|body| decoded(&body) == batch);
        assert!(
            !refused.unwrap_or(false),
            "{count} of {} parts",
            parts.len()
        );
    }
    assert_eq!(decoded(&encode_body(&batch).unwrap()), batch);
}
