//! Random valid pipelines: a source with hostile names and values, and chains of stages over it, each ending in a
//! table. Main type: [`Generated`].

use crate::common::Dice;

/// The kind of a field while a chain is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
    Decimal,
    Day,
    Texts,
    Struct,
    Other,
}

#[derive(Debug, Clone)]
struct Field {
    name: String,
    kind: Kind,
}

/// The columns of the source: name, kind, and an SQL expression over `i` that yields NULL, edge cases and hostile
/// texts.
const COLUMNS: [(&str, Kind, &str); 12] = [
    (
        "text",
        Kind::Text,
        "list_extract(['', 'null', 'None', 'it''s \"so\"', 'a\nb', NULL, '{\"a\": 1}', '1', '01', 'é🙂'], 1 + i % 10)",
    ),
    ("First Name", Kind::Text, "'name ' || (i % 4)"),
    ("select", Kind::Text, "CASE WHEN i % 3 > 0 THEN 'NULL ' || i END"),
    ("größe", Kind::Number, "CAST(i * 7919 AS BIGINT)"),
    ("order", Kind::Number, "CASE WHEN i % 5 > 0 THEN CAST(9223372036854775807 - i AS BIGINT) END"),
    ("sum", Kind::Decimal, "CAST(i || '.10' AS DECIMAL(18,2))"),
    ("huge", Kind::Other, "CAST('170141183460469231731687303715884105' || (700 + i) AS HUGEINT)"),
    ("day", Kind::Day, "DATE '1969-12-30' + CAST(i AS INTEGER)"),
    ("at", Kind::Other, "TIMESTAMP '2024-02-29 23:59:59.123456' + to_days(CAST(i AS INTEGER))"),
    ("ratio", Kind::Other, "CASE WHEN i % 4 > 0 THEN i / 3.0::DOUBLE END"),
    ("about", Kind::Struct, "{'a': CASE WHEN i % 2 > 0 THEN 'x' || i END, 'The b': CAST(i AS BIGINT)}"),
    ("words", Kind::Texts, "[w || i FOR w IN ['a', 'b', 'null', 'c']][1:i % 5]"),
];

/// A chain and its table.
#[derive(Debug)]
pub(super) struct Chain {
    /// The table.
    pub(super) table: String,
    /// The columns of the source that the table must contain unchanged.
    pub(super) kept: Vec<String>,
    stages: String,
}

/// A pipeline of several chains over one source.
#[derive(Debug)]
pub(super) struct Generated {
    pub(super) spec: String,
    pub(super) chains: Vec<Chain>,
    /// The columns of the source's key.
    pub(super) key: Vec<String>,
    /// The query of the source.
    pub(super) source: String,
}

impl Generated {
    pub(super) fn new(seed: u64, chains: u64) -> Self {
        let mut dice = Dice::new(seed);
        let rows = 1 + dice.roll(14);
        let key: &[&str] = dice.pick(&[&["id"][..], &["id", "Part No"], &["Id."]]);
        let mut columns: Vec<_> = COLUMNS.iter().filter(|_| !dice.one_in(4)).collect();
        if columns.is_empty() {
            columns.push(&COLUMNS[0]);
        }
        let keys = key.iter().enumerate().map(|(at, name)| match at {
            0 => format!("CASE WHEN i % 2 > 0 THEN '0' || i ELSE i || ' x' END AS \"{name}\""),
            _ => format!("CAST(i % 3 AS BIGINT) AS \"{name}\""),
        });
        let values = columns.iter().map(|(name, _, sql)| format!("{sql} AS \"{name}\""));
        let list: Vec<String> = keys.chain(values).collect();
        let source = format!("SELECT {} FROM range({rows}) AS numbers(i)", list.join(", "));
        let fields: Vec<Field> =
            columns.iter().map(|(name, kind, _)| Field { name: (*name).to_owned(), kind: *kind }).collect();
        let chains: Vec<Chain> =
            (0..chains).map(|at| Writer::new(at, key, fields.clone(), &mut dice).chain()).collect();
        let names: Vec<String> = key.iter().map(|name| format!("{name:?}")).collect();
        let stages: String = chains.iter().map(|chain| chain.stages.as_str()).collect();
        let spec = format!(
            "duckdb: out.duckdb
stages:
  - source: texts
    parquet: texts.parquet
    key: [{}]
  - sink: everything
{stages}",
            names.join(", ")
        );
        let key = key.iter().map(|name| (*name).to_owned()).collect();
        Self { spec, chains, key, source }
    }
}

/// Generates the stages of one chain.
struct Writer<'a> {
    chain: u64,
    count: u64,
    fields: Vec<Field>,
    /// Fields unchanged from the source.
    kept: Vec<String>,
    /// Whether each row of the table is a record of the source or a piece of one.
    is_plain: bool,
    /// The fields before the open split, if any.
    split: Option<Vec<Field>>,
    stages: String,
    dice: &'a mut Dice,
}

fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl<'a> Writer<'a> {
    fn new(chain: u64, key: &[&str], fields: Vec<Field>, dice: &'a mut Dice) -> Self {
        let kept = fields.iter().map(|field| field.name.clone()).collect();
        let keys = key.iter().map(|name| Field { name: (*name).to_owned(), kind: Kind::Other });
        Self {
            chain,
            count: 0,
            fields: keys.chain(fields).collect(),
            kept,
            is_plain: true,
            split: None,
            stages: String::new(),
            dice,
        }
    }

    fn chain(mut self) -> Chain {
        let first = self.name();
        self.stages = format!("  - map: {first}\n    from: texts\n    where: \"true\"\n");
        for _ in 0..=self.dice.roll(6) {
            match self.dice.roll(7) {
                0 | 1 => self.fields(),
                2 => self.filter(),
                3 => self.split(),
                4 => self.gather(),
                5 => self.wave(),
                _ => self.ask(),
            }
        }
        let table = format!("out_{}", self.chain);
        self.stages += &format!("  - sink: {table}\n");
        Chain { table, kept: if self.is_plain { self.kept } else { Vec::new() }, stages: self.stages }
    }

    fn name(&mut self) -> String {
        self.count += 1;
        format!("c{}_{}", self.chain, self.count)
    }

    /// A field of a kind, quoted for SQL.
    fn any(&mut self, kind: Kind) -> Option<String> {
        let of: Vec<String> =
            self.fields.iter().filter(|field| field.kind == kind).map(|field| quote(&field.name)).collect();
        (!of.is_empty()).then(|| self.dice.pick(&of))
    }

    fn expression(&mut self) -> (String, Kind) {
        let kind =
            self.dice.pick(&[Kind::Text, Kind::Number, Kind::Decimal, Kind::Day, Kind::Texts, Kind::Struct]);
        let Some(of) = self.any(kind) else { return ("'constant'".to_owned(), Kind::Text) };
        let (form, kind) = match kind {
            Kind::Text => self.dice.pick(&[
                ("coalesce(@, '-')", Kind::Text),
                ("upper(@) || ' null'", Kind::Text),
                ("length(@)", Kind::Number),
                ("string_split(@, ' ')", Kind::Texts),
                ("@ IS NULL", Kind::Other),
                ("CASE WHEN @ = '01' THEN 'one' END", Kind::Text),
            ]),
            Kind::Number => self.dice.pick(&[
                ("@ % 7", Kind::Number),
                ("@ / 2", Kind::Other),
                ("CAST(@ AS VARCHAR)", Kind::Text),
                ("CAST(@ AS HUGEINT) * 3", Kind::Other),
                ("{'n': @, 'text': 'x'}", Kind::Struct),
            ]),
            Kind::Decimal => {
                self.dice.pick(&[("@ * 2", Kind::Other), ("round(@, 1)", Kind::Other), ("@", Kind::Decimal)])
            }
            Kind::Day => self.dice.pick(&[
                ("year(@)", Kind::Number),
                ("@ + 1", Kind::Day),
                ("strftime(@, '%d.%m.%Y')", Kind::Text),
            ]),
            Kind::Texts => self.dice.pick(&[
                ("len(@)", Kind::Number),
                ("[upper(w) FOR w IN @ IF w <> 'null']", Kind::Texts),
                ("@[1]", Kind::Text),
                ("array_to_string(@, ', ')", Kind::Text),
            ]),
            _ => ("[@, @]", Kind::Other),
        };
        (form.replace('@', &of), kind)
    }

    fn fields(&mut self) {
        let name = self.name();
        // The expressions of one map do not see each other.
        let (mut set, mut new) = (Vec::new(), Vec::new());
        for at in 0..=self.dice.roll(2) {
            let (expression, kind) = self.expression();
            let field = match self.dice.roll(3) {
                0 => format!("Feld {name} {at}"),
                1 => format!("{name}'{at}"),
                _ => format!("{name}_{at}"),
            };
            set.push(format!("{}: {}", yaml(&field), yaml(&expression)));
            new.push(Field { name: field, kind });
        }
        self.fields.extend(new);
        self.stages += &format!("  - map: {name}\n    fields: {{ {} }}\n", set.join(", "));
    }

    fn filter(&mut self) {
        let name = self.name();
        let kind = self.dice.pick(&[Kind::Text, Kind::Number, Kind::Day]);
        let Some(of) = self.any(kind) else { return };
        let form = match kind {
            Kind::Text => self.dice.pick(&["@ IS NOT NULL", "length(@) > 1", "@ <> 'null' OR @ IS NULL"]),
            Kind::Number => self.dice.pick(&["@ % 2 = 0", "@ > 100"]),
            _ => "@ > '1970-01-01'",
        };
        self.stages += &format!("  - map: {name}\n    where: {}\n", yaml(&form.replace('@', &of)));
    }

    fn split(&mut self) {
        let before = self.fields.clone();
        let name = self.name();
        let (of, kind) = match self.dice.roll(3) {
            0 => ("{ values: [German, 'null', \"it's\"] }".to_owned(), Kind::Text),
            1 => match self.any(Kind::Texts) {
                Some(of) => (yaml(&of), Kind::Text),
                None => return,
            },
            _ => match self.any(Kind::Text) {
                Some(of) => (yaml(&format!("string_split(coalesce({of}, ''), ' ')")), Kind::Text),
                None => return,
            },
        };
        self.stages += &format!("  - map: {name}\n    split: {of}\n");
        self.fields.push(Field { name: format!("{name}_index"), kind: Kind::Number });
        self.fields.push(Field { name: name.clone(), kind });
        self.split = Some(before);
        // A split list continues as its parts.
        self.kept.retain(|kept| kept != "words");
    }

    fn gather(&mut self) {
        let Some(before) = self.split.take() else { return };
        let name = self.name();
        self.stages += &format!("  - gather: {name}\n");
        self.fields = before;
        self.fields.push(Field { name, kind: Kind::Other });
    }

    fn wave(&mut self) {
        let name = self.name();
        self.split = None;
        let group = self.any(Kind::Text);
        let more = match (self.dice.roll(5), group) {
            (0, _) => String::new(),
            (1, _) => format!("    sample: {}\n", 1 + self.dice.roll(9)),
            (2, Some(of)) => format!("    unique: {}\n", yaml(&format!("lower({of})"))),
            (3, Some(of)) => {
                self.is_plain = false;
                self.fields = [("g", Kind::Text), ("rows of it", Kind::Number), ("together", Kind::Other)]
                    .map(|(name, kind)| Field { name: name.to_owned(), kind })
                    .to_vec();
                let sql = format!(
                    "SELECT {of} AS g, count(*) AS \"rows of it\", list({of} || 'x' ORDER BY {of}) AS together \
                     FROM {name} WHERE {of} IS NOT NULL GROUP BY {of}"
                );
                format!("    sql: {}\n", yaml(&sql))
            }
            _ => format!("    sql: {}\n", yaml(&format!("SELECT * FROM {name}"))),
        };
        self.stages += &format!("  - wave: {name}\n{more}");
    }

    fn ask(&mut self) {
        let name = self.name();
        let prompt = match self.any(Kind::Text) {
            Some(of) => format!("{{{{ etl.key }}}} {{{{ etl.fields[{of}] | default('-') }}}}"),
            None => "{{ etl.key }}".to_owned(),
        };
        let (expression, _) = self.expression();
        let samples = if self.dice.one_in(3) && self.split.is_none() { "    samples: 2\n" } else { "" };
        let mock = format!(
            "{{'label of {name}': CASE WHEN {expression} IS NULL THEN 'null' ELSE 'é \"' END, 'score_{name}': 1.5, \
             'sum_{name}': 0.10}}"
        );
        self.stages += &format!(
            "  - map: {name}\n{samples}    mock: {}\n    chat:\n      model: mistral-small-latest\n      prompt: {}\n      \
             schema: {{ \"label of {name}\": text, score_{name}: \"number?\", \"group {name}\": \"integer?\", \
             sum_{name}: decimal }}\n",
            yaml(&mock),
            yaml(&prompt)
        );
        if !samples.is_empty() {
            self.split = Some(self.fields.clone());
            self.fields.push(Field { name: format!("{name}_sample"), kind: Kind::Number });
        }
        // The fields of its answer are unpacked in the table, if their names are free.
        self.fields.push(Field { name, kind: Kind::Other });
    }
}

/// A text as parsed back from YAML.
fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
