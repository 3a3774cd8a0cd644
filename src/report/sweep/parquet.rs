//! `runs.parquet`: the rows of `runs.csv` with a type for each column, for pyarrow, DuckDB and the like.

use crate::sweep::design::Design;
use crate::sweep::play::FIGURES;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::io::{Read, Write};
use std::sync::Arc;

/// Rows that are in memory at a time.
const ROW_GROUP: usize = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unsigned,
    Number,
    Text,
}

/// Writes what `csv` holds: a `runs.csv` of this design.
pub fn write(design: &Design, csv: impl Read, to: impl Write + Send) -> Result<(), ParquetError> {
    let columns = columns(design);
    let fields = columns.iter().map(|(name, kind)| field(name, *kind)).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("runs").with_fields(fields).build()?);
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_created_by("rollout-sim".into());
    let mut file = SerializedFileWriter::new(to, schema, Arc::new(properties.build()))?;
    let mut records = ::csv::Reader::from_reader(csv).into_records();
    loop {
        let rows = records.by_ref().take(ROW_GROUP).collect::<Result<Vec<_>, _>>();
        let rows = rows.map_err(|error| ParquetError::General(error.to_string()))?;
        if rows.is_empty() {
            break;
        }
        let mut group = file.next_row_group()?;
        let mut index = 0;
        while let Some(mut column) = group.next_column()? {
            let cells = rows.iter().map(|row| row.get(index).unwrap_or_default());
            match column.untyped() {
                ColumnWriter::Int64ColumnWriter(writer) => {
                    let values =
                        cells.map(|cell| cell.parse::<u64>().map(u64::cast_signed)).collect::<Result<Vec<_>, _>>();
                    let values = values.map_err(|error| ParquetError::General(error.to_string()))?;
                    writer.write_batch(&values, None, None)?;
                }
                ColumnWriter::DoubleColumnWriter(writer) => {
                    let values = cells.map(str::parse::<f64>).collect::<Result<Vec<_>, _>>();
                    let values = values.map_err(|error| ParquetError::General(error.to_string()))?;
                    writer.write_batch(&values, None, None)?;
                }
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    writer.write_batch(&cells.map(ByteArray::from).collect::<Vec<_>>(), None, None)?;
                }
                ColumnWriter::BoolColumnWriter(_)
                | ColumnWriter::Int32ColumnWriter(_)
                | ColumnWriter::Int96ColumnWriter(_)
                | ColumnWriter::FloatColumnWriter(_)
                | ColumnWriter::FixedLenByteArrayColumnWriter(_) => unreachable!("no column has such a type"),
            }
            column.close()?;
            index += 1;
        }
        group.close()?;
    }
    file.close().map(|_| ())
}

/// Name and type of each column of `runs.csv`.
fn columns(design: &Design) -> Vec<(String, Kind)> {
    let mut columns = vec![("cell".to_owned(), Kind::Unsigned)];
    columns.extend(design.axes().iter().flat_map(|axis| {
        let kind = |is_number| if is_number { Kind::Number } else { Kind::Text };
        axis.keys().zip(axis.are_numbers()).map(move |(key, is_number)| (key.to_owned(), kind(is_number)))
    }));
    columns.extend([("seed".to_owned(), Kind::Unsigned), ("fingerprint".to_owned(), Kind::Text)]);
    columns.extend(FIGURES.map(|figure| (super::column(figure), Kind::Number)));
    columns
}

fn field(name: &str, kind: Kind) -> Result<Arc<Type>, ParquetError> {
    let (physical, logical) = match kind {
        Kind::Unsigned => (Physical::INT64, Some(LogicalType::integer(64, false))),
        Kind::Number => (Physical::DOUBLE, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let field = Type::primitive_type_builder(name, physical).with_repetition(Repetition::REQUIRED);
    field.with_logical_type(logical).build().map(Arc::new)
}
