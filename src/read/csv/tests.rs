use crate::{
    read::{
        Csv, Encoding, Format, Options, ReadError, Types,
        fixture::{Folder, Read, csv, gzip},
    },
    record::{LogicalType, Value},
};

fn read(text: impl AsRef<[u8]>) -> Read {
    Folder::with("a.csv", text).read("a.csv", &csv()).unwrap()
}

fn as_csv(format: Csv) -> Options {
    Options::new(Format::Csv(format))
}

fn refused(text: &str, options: &Options) -> String {
    Folder::with("a.csv", text).read("a.csv", options).err().unwrap().to_string()
}

#[test]
fn one_separator_is_decided_by_the_header() {
    let one = read("note\nfirst\nsecond\nbread; milk\n");
    assert_eq!(one.texts("note"), ["first", "second", "bread; milk"]);
    for separator in [',', ';', '\t', '|'] {
        let found = read(
            format!("id{separator}\"a,b;c\"{separator}z\n1{separator}x{separator}2,5;\n")
                .replace("2,5;", if matches!(separator, ',' | ';') { "25" } else { "2,5;" }),
        );
        assert_eq!(found.description.files[0].delimiter, Some(separator as u8));
        assert_eq!(found.types().split(' ').next(), Some("id"));
        assert_eq!((found.rows.len(), found.bad.len()), (1, 0), "{separator}");
    }
    let declared = as_csv(Csv { delimiter: Some(b'/'), ..Csv::default() });
    let declared = Folder::with("a.csv", "a,b/c\n1/2\n").read("a.csv", &declared).unwrap();
    assert_eq!(declared.types(), "a,b BIGINT, c BIGINT");
}

#[test]
fn a_ragged_line_is_bad_and_the_others_are_read() {
    let found = read("id,a,b\n1,x,y\n2,x\n3,x,y\n4,x,y,z\n\n5,x,y");
    assert_eq!(found.texts("id"), ["1", "3", "5"]);
    assert_eq!(found.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 4, 7]);
    assert_eq!(found.bad_lines(), [3, 5]);
    assert_eq!(found.bad[0].reason, "the line has 2 fields, and there are 3 columns");
    assert_eq!(
        found.bad[1].reason,
        "the line has 4 fields, and there are 3 columns; put a field with a separator in it into quotes"
    );
    assert_eq!((&*found.bad[1].file, &*found.bad[1].raw), ("a.csv", "4,x,y,z"));
    assert_eq!((found.description.files[0].rows, found.description.files[0].bad), (3, 2));
    let wider: String = (0..200).map(|i| format!("{i},n{i}{}\n", if i < 100 { "" } else { ",x" })).collect();
    let found = read(format!("id,name\n{wider}"));
    assert_eq!((found.rows.len(), found.bad.len()), (100, 100));
}

#[test]
fn quotes_are_those_of_rfc_4180() {
    let found =
        read("id,e\r\n1,\"\"\r\n2,\r\n3,\"say \"\"hi\"\"\"\r\n4,'x\r\n5,5\" pipe\r\n6,\"a\nb,c\"\r\n");
    assert_eq!(found.texts("e"), ["", "NULL", "say \"hi\"", "'x", "5\" pipe", "a\nb,c"]);
    let late: String = (0..30_000).map(|i| format!("n{i},t{i}\n")).collect();
    let found = read(format!("name,text\n{late}zed,\"hello\"\nyan,\"say \"\"hi\"\"\"\n"));
    assert_eq!(found.texts("text")[30_000..], ["hello", "say \"hi\""]);
}

#[test]
fn an_unclosed_quote_takes_its_own_line_alone() {
    let found = read("id,a\n1,x\n2,\"open\n3,\"closed\"\n4,y\n5,\"again\n6,z\n");
    assert_eq!(found.texts("id"), ["1", "3", "4", "6"]);
    assert_eq!(found.bad_lines(), [3, 6]);
    assert_eq!(
        found.bad[0].reason,
        "the quote at byte 3 is not closed; write a quote in a field twice (`\"\"`)"
    );
    let found = read("id,a\n1,\"two\nlines\"\n2,\"three\nlines\",\"open\n3,x\n4,\"y\" z\n");
    assert_eq!(found.texts("id"), ["1", "3"]);
    assert_eq!(found.bad_lines(), [5, 7]);
    assert!(found.bad[1].reason.contains("followed by more text"), "{}", found.bad[1].reason);
}

#[test]
fn a_type_is_proven_and_changes_nothing() {
    let found = read(
        "zip,v,e,h,sex,t,day,na,long,n,d,s,b,mix\n\
         01220,1.1,1E5,0x1A,F,9:30,01/02/2024,NA,123456789012345678901234567890,-3,1.5,\
         2024-01-01 00:00:00,true,1\n\
         5,1.10,3E8,0x2B,F,10:30,03/04/2024,1,5,12,-2.25,1969-01-01 00:00:00.5,false,1.5\n",
    );
    assert_eq!(
        found.types(),
        "zip VARCHAR, v VARCHAR, e VARCHAR, h VARCHAR, sex VARCHAR, t VARCHAR, day VARCHAR, na VARCHAR, \
         long VARCHAR, n BIGINT, d DOUBLE, s TIMESTAMP, b BOOLEAN, mix VARCHAR"
    );
    assert_eq!(found.texts("v"), ["1.1", "1.10"]);
    assert_eq!(found.column("d"), [Value::Double(1.5), Value::Double(-2.25)]);
    let evidence = found.description.columns[1].evidence.clone().unwrap();
    assert_eq!((evidence.line, &*evidence.value), (3, "1.10"));
    let (forth, back) = (read("a\n1\n2\nx\n"), read("a\nx\n2\n1\n"));
    assert_eq!((forth.types(), back.types()), ("a VARCHAR".into(), "a VARCHAR".into()));
}

#[test]
fn types_that_are_said_win() {
    let text = "id,zip,n\n7,01220,5\nX3,1,1.5\n";
    let folder = Folder::with("a.csv", text);
    let types = |types: &[(&str, LogicalType)]| Types {
        of: types.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect(),
        ..Types::default()
    };
    let declared =
        types(&[("ZIP", LogicalType::Varchar), ("n", LogicalType::Decimal { width: 6, scale: 2 })]);
    let found = folder.read("a.csv", &Options { types: declared, ..csv() }).unwrap();
    assert_eq!(found.types(), "id VARCHAR, zip VARCHAR, n DECIMAL(6,2)");
    assert_eq!(found.texts("n"), ["5.00", "1.50"]);
    assert!(found.description.columns[1].declared && !found.description.columns[0].declared);

    let found =
        folder.read("a.csv", &Options { types: types(&[("n", LogicalType::BigInt)]), ..csv() }).unwrap();
    assert_eq!((found.texts("n"), found.bad_lines()), (vec!["5".to_owned()], vec![3]));
    assert_eq!(
        found.bad[0].reason,
        "the column `n` has the type BIGINT, and the value is `1.5`; correct the line, or write `types: { n: \
         varchar }`"
    );

    let text = Options { types: Types { text: true, ..Types::default() }, ..csv() };
    assert_eq!(folder.read("a.csv", &text).unwrap().types(), "id VARCHAR, zip VARCHAR, n VARCHAR");
    let key = Options { key: vec!["Id".into()], ..csv() };
    let found = Folder::with("a.csv", "id,n\n1,2\n").read("a.csv", &key).unwrap();
    assert_eq!(found.types(), "id VARCHAR, n BIGINT");
    let unknown = Options { types: types(&[("zap", LogicalType::Varchar)]), ..csv() };
    assert_eq!(
        refused("id,zip\n1,2\n", &unknown),
        "`types:` names the column `zap`, but no file has it; the columns are `id`, `zip`"
    );
}

#[test]
fn options_say_what_the_file_does_not() {
    let format = Csv {
        header: false,
        nulls: vec!["NA".into(), "-".into()],
        skip: 2,
        comment: Some("#".into()),
        quote: Some(b'\''),
        ..Csv::default()
    };
    let text = "a title\nanother\n# a comment\n1,'x,''y',NA\n#,,,,\n2,-,\n";
    let found = Folder::with("a.csv", text).read("a.csv", &as_csv(format)).unwrap();
    assert_eq!(found.types(), "column0 BIGINT, column1 VARCHAR, column2 VARCHAR");
    assert_eq!(found.texts("column1"), ["x,'y", "NULL"]);
    assert_eq!(found.texts("column2"), ["NULL", "NULL"]);
    assert_eq!(found.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [4, 6]);
}

#[test]
fn encodings_are_read_or_reported() {
    let latin = b"id,name\n1,caf\xe9\n2,x\n";
    let found = read(latin);
    assert_eq!((found.texts("id"), found.bad_lines()), (vec!["2".to_owned()], vec![2]));
    assert_eq!(
        found.bad[0].reason,
        "the byte 0xe9 in line 2 is not UTF-8; if the file is Latin-1, write `csv: { encoding: latin-1 }`"
    );
    let format = Csv { encoding: Encoding::Latin1, ..Csv::default() };
    let found = Folder::with("a.csv", latin).read("a.csv", &as_csv(format)).unwrap();
    assert_eq!(found.texts("name"), ["café", "x"]);

    let text = "\u{feff}größe,name\n1,é😀\n";
    assert_eq!(read(text).texts("größe"), ["1"]);
    let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!((read(&le).texts("name"), read(&be).texts("name")), (vec!["é😀".into()], vec!["é😀".into()]));
    let without_mark: Vec<u8> = le[2..].to_vec();
    let error = Folder::with("a.csv", &without_mark[2..]).read("a.csv", &csv()).err().unwrap().to_string();
    assert!(error.contains("utf-16le") || error.contains("not UTF-8"), "{error}");
}

#[test]
fn a_header_that_cannot_be_used_is_refused() {
    assert_eq!(
        refused("id,name,ID\n1,2,3\n", &csv()),
        "`a.csv`: the columns 1 and 3 are both called `ID`; rename one, or write `csv: { header: false, skip: \
         1 }`, which calls them `column0`, `column1`, …"
    );
    assert_eq!(
        refused("", &csv()),
        "`a.csv`: the file is empty; expected a line with the names of the columns"
    );
    assert!(refused("id,\"name\n1,2\n", &csv()).contains("is not closed in the header"));
    assert_eq!(
        read("id,,\"First Name\",in\n1,2,3,4\n").types(),
        "id BIGINT, column1 BIGINT, First Name BIGINT, in BIGINT"
    );
}

#[test]
fn lines_may_end_in_any_way() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["id,a", "1,x", "2,\"y\"", "3,"].join(end);
        for text in [text.clone(), text + end] {
            let found = read(&text);
            assert_eq!((found.texts("id").len(), found.bad.len()), (3, 0), "{text:?}");
            assert_eq!(found.texts("a"), ["x", "y", "NULL"], "{text:?}");
        }
    }
}

#[test]
fn an_empty_line_of_one_column_is_null() {
    assert_eq!(read("a\nx\n\n\"\"\n").texts("a"), ["x", "NULL", ""]);
}

#[test]
fn files_are_united_by_the_names_of_their_columns() {
    let folder = Folder::new();
    folder.write("d/a.csv", "id,name,n\n1,x,5\n");
    folder.write("d/b.csv", "Name;email;ID\ny;e@x;2\n");
    folder.write("d/._a.csv", "id,v\n9,9\n");
    folder.write("d/c.csv", "n\n1.5\n");
    let found = folder.read("d/*.csv", &csv()).unwrap();
    assert_eq!(found.types(), "id BIGINT, name VARCHAR, n VARCHAR, email VARCHAR");
    assert_eq!(found.texts("id"), ["1", "2", "NULL"]);
    assert_eq!(found.texts("email"), ["NULL", "e@x", "NULL"]);
    assert_eq!(found.texts("n"), ["5", "NULL", "1.5"]);
    assert_eq!(found.rows.iter().map(|row| &*row.file).collect::<Vec<_>>(), ["a.csv", "b.csv", "c.csv"]);
}

#[test]
fn no_file_is_an_error_unless_it_is_optional() {
    let folder = Folder::new();
    let error = folder.read("*.csv", &csv()).err().unwrap();
    assert!(matches!(error, ReadError::NoFile { .. }));
    let found = folder.read("*.csv", &Options { optional: true, ..csv() }).unwrap();
    assert!(found.description.schema.is_empty() && found.rows.is_empty());
}

#[test]
fn gzip_is_read_and_a_broken_one_is_an_error() {
    let text: String = (0..5000).map(|i| format!("{i},{}\n", i * 7919 % 10_007)).collect();
    let bytes = gzip(format!("id,v\n{text}").as_bytes());
    let folder = Folder::with("a.csv.gz", &bytes);
    assert_eq!(folder.read("*.gz", &csv()).unwrap().rows.len(), 5000);
    let two = [bytes.clone(), gzip(b"5000,1\n")].concat();
    assert_eq!(Folder::with("a.csv.gz", two).read("*.gz", &csv()).unwrap().rows.len(), 5001);
    for length in [1, 5, 30, bytes.len() / 2, bytes.len() - 9, bytes.len() - 1] {
        let error = Folder::with("a.csv.gz", &bytes[..length]).read("*.gz", &csv()).err();
        let error = error.unwrap_or_else(|| panic!("{length} bytes are all")).to_string();
        assert!(error.contains("`a.csv.gz` cannot be read to its end: the gzip data"), "{error}");
    }
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 0xff;
    assert!(Folder::with("a.csv.gz", damaged).read("*.gz", &csv()).is_err());
}

#[test]
fn a_limit_counts_what_comes_out() {
    let folder = Folder::with("a.csv", "id,a\n1,x\n2\n3,x\n4,x\n");
    for (max, wanted) in [(0, (0, 0)), (1, (1, 0)), (2, (1, 1)), (3, (2, 1)), (9, (3, 1))] {
        let found = folder.read("a.csv", &Options { max: Some(max), ..csv() }).unwrap();
        assert_eq!((found.rows.len(), found.bad.len()), wanted);
    }
}

#[test]
fn what_is_proven_in_part_is_checked_to_the_end() {
    let lines: String = (0..1000).map(|i| format!("{i}\n")).collect();
    let folder = Folder::with("a.csv", format!("id\n{lines}x\n1001\n"));
    let found = folder.read("a.csv", &Options { prove: Some(100), ..csv() }).unwrap();
    assert!(!found.description.is_whole() && found.description.files[0].proven < 200);
    assert_eq!((found.types(), found.rows.len(), found.bad_lines()), ("id BIGINT".into(), 1001, vec![1002]));
}
