//! Values of TLA+: what a variable can hold, read as TLC prints them and as its JSON traces hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value as Json;

use super::TlaError;

/// A value. Records, sequences and functions are all functions, as in TLA+: `<<a, b>>` has the domain `1 .. 2`, `[x |-> a]`
/// the domain `{"x"}`, and `<<>>` is the function of no argument.
///
/// # Examples
/// ```
/// use vtd_qi_tla::Value;
///
/// let value: Value = r#"( 0 :> [kind |-> "wd", target |-> 3] @@ 1 :> <<{2, 1}, -1>> )"#.parse()?;
/// assert_eq!(value.to_string(), r#"(0 :> [kind |-> "wd", target |-> 3] @@ 1 :> <<{1, 2}, -1>>)"#);
/// assert_eq!("(1 :> 7 @@ 2 :> 8)".parse::<Value>()?, "<<7, 8>>".parse()?);
/// assert_eq!("<<7, 8".parse::<Value>().unwrap_err().to_string(), "`,' or `>>' is expected at the end of a value");
/// # Ok::<(), vtd_qi_tla::TlaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// `TRUE` or `FALSE`.
    Bool(bool),
    /// A number.
    Int(i64),
    /// A string.
    Str(String),
    /// A set.
    Set(BTreeSet<Value>),
    /// A function, record or sequence.
    Fun(BTreeMap<Value, Value>),
}

impl Value {
    /// A string.
    pub fn str(text: impl Into<String>) -> Value {
        Value::Str(text.into())
    }

    /// A record.
    pub fn record<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
        Value::Fun(fields.into_iter().map(|(name, value)| (Value::str(name), value)).collect())
    }

    /// A sequence.
    pub fn seq(items: impl IntoIterator<Item = Value>) -> Value {
        Value::fun_from(1, items)
    }

    /// A function whose domain begins with `first`.
    pub fn fun_from(first: i64, items: impl IntoIterator<Item = Value>) -> Value {
        Value::Fun((first..).map(Value::Int).zip(items).collect())
    }

    /// A field of a record.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Fun(map) => map.get(&Value::str(name)),
            _ => None,
        }
    }

    /// The value that TLC writes into a JSON trace. An object whose keys are numbers is a function of numbers.
    ///
    /// # Errors
    /// [`TlaError::Value`] for what no value of TLA+ looks like: a fraction, `null`.
    pub fn from_json(json: &Json) -> Result<Value, TlaError> {
        Ok(match json {
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(number) => {
                Value::Int(number.as_i64().ok_or_else(|| TlaError::Value(format!("{number} is no integer")))?)
            }
            Json::String(text) => Value::str(text),
            Json::Array(items) => Value::seq(items.iter().map(Value::from_json).collect::<Result<Vec<_>, _>>()?),
            Json::Object(fields) => {
                let key = |name: &String| name.parse().map_or_else(|_| Value::str(name), Value::Int);
                let field = |(name, value)| Ok((key(name), Value::from_json(value)?));
                Value::Fun(fields.iter().map(field).collect::<Result<_, TlaError>>()?)
            }
            Json::Null => return Err(TlaError::Value("null is no value of TLA+".into())),
        })
    }

    /// The value as TLC writes it into a JSON trace: sets as if they were sequences, functions of anything but `1 .. n` as objects.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(n) => Json::from(*n),
            Value::Str(text) => Json::from(text.as_str()),
            Value::Set(items) => items.iter().map(Value::to_json).collect(),
            Value::Fun(map) if (1..).zip(map.keys()).all(|(i, key)| *key == Value::Int(i)) => {
                map.values().map(Value::to_json).collect()
            }
            Value::Fun(map) => {
                let name = |key: &Value| match key {
                    Value::Str(text) => text.clone(),
                    other => other.to_string(),
                };
                Json::Object(map.iter().map(|(key, value)| (name(key), value.to_json())).collect())
            }
        }
    }

    /// Whether TLC writes this value into a JSON trace as what [`Value::from_json`] reads as `written`: sets are written as if
    /// they were sequences, in an order of TLC's own.
    pub fn is_written_as(&self, written: &Value) -> bool {
        match (self, written) {
            (Value::Set(items), Value::Fun(list)) => {
                let is_seq = (1..).zip(list.keys()).all(|(i, key)| *key == Value::Int(i));
                let is_listed = |item: &Value| list.values().any(|written| item.is_written_as(written));
                is_seq && items.len() == list.len() && items.iter().all(is_listed)
            }
            (Value::Fun(ours), Value::Fun(theirs)) => {
                let same = |((key, value), (name, written)): ((_, &Value), (_, &Value))| -> bool {
                    key == name && value.is_written_as(written)
                };
                ours.len() == theirs.len() && ours.iter().zip(theirs).all(same)
            }
            _ => self == written,
        }
    }

    /// A state as TLC prints it: a conjunction `/\ variable = value` for each variable, as a record.
    ///
    /// # Errors
    /// [`TlaError::Value`].
    pub fn from_state(text: &str) -> Result<Value, TlaError> {
        let mut reader = Reader { text, at: 0, depth: 0 };
        let mut fields = BTreeMap::new();
        while !reader.at_end() {
            reader.expect("/\\")?;
            let name = reader.name()?;
            reader.expect("=")?;
            if fields.insert(Value::str(&name), reader.value()?).is_some() {
                return Err(TlaError::Value(format!("the variable {name} has two values")));
            }
        }
        Ok(Value::Fun(fields))
    }
}

impl std::str::FromStr for Value {
    type Err = TlaError;

    fn from_str(text: &str) -> Result<Value, TlaError> {
        let mut reader = Reader { text, at: 0, depth: 0 };
        let value = reader.value()?;
        if reader.at_end() { Ok(value) } else { Err(reader.expected("the end of the value")) }
    }
}

/// As TLC prints it, in one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_seq = |map: &BTreeMap<Value, Value>| (1..).zip(map.keys()).all(|(i, key)| *key == Value::Int(i));
        match self {
            Value::Bool(b) => write!(f, "{}", if *b { "TRUE" } else { "FALSE" }),
            Value::Int(n) => write!(f, "{n}"),
            Value::Str(text) => write!(f, "{text:?}"),
            Value::Set(items) => {
                write!(f, "{{")?;
                separated(f, items, ", ", |f, item| write!(f, "{item}"))?;
                write!(f, "}}")
            }
            Value::Fun(map) if is_seq(map) => {
                write!(f, "<<")?;
                separated(f, map.values(), ", ", |f, item| write!(f, "{item}"))?;
                write!(f, ">>")
            }
            Value::Fun(map) if map.keys().all(|key| matches!(key, Value::Str(_))) => {
                write!(f, "[")?;
                separated(f, map, ", ", |f, (key, value)| match key {
                    Value::Str(name) => write!(f, "{} |-> {value}", name.escape_debug()),
                    other => write!(f, "{other} |-> {value}"),
                })?;
                write!(f, "]")
            }
            Value::Fun(map) => {
                write!(f, "(")?;
                separated(f, map, " @@ ", |f, (key, value)| write!(f, "{key} :> {value}"))?;
                write!(f, ")")
            }
        }
    }
}

fn separated<I: IntoIterator>(
    f: &mut fmt::Formatter<'_>,
    items: I,
    between: &str,
    print: impl Fn(&mut fmt::Formatter<'_>, I::Item) -> fmt::Result,
) -> fmt::Result {
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        print(f, item)?;
    }
    Ok(())
}

/// How deep values may be nested. Those of the twin are four deep at most.
pub const MOST_NESTED: usize = 32;

/// Reads values from a text, front to back.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many values are being read, one inside the other.
    depth: usize,
}

impl Reader<'_> {
    fn rest(&mut self) -> &str {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        &self.text[self.at..]
    }

    fn at_end(&mut self) -> bool {
        self.rest().is_empty()
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), TlaError> {
        if self.take(token) { Ok(()) } else { Err(self.expected(&format!("`{token}'"))) }
    }

    fn expected(&mut self, what: &str) -> TlaError {
        let found: String = self.rest().chars().take(20).collect();
        TlaError::Value(match found.as_str() {
            "" => format!("{what} is expected at the end of a value"),
            found => format!("{what} is expected in a value where {found:?} stands"),
        })
    }

    fn name(&mut self) -> Result<String, TlaError> {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 {
            return Err(self.expected("a name"));
        }
        let name = rest[..end].to_string();
        self.at += end;
        Ok(name)
    }

    fn value(&mut self) -> Result<Value, TlaError> {
        if self.depth == MOST_NESTED {
            return Err(TlaError::Value(format!("a value is nested more than {MOST_NESTED} deep")));
        }
        self.depth += 1;
        let value = self.value_inside();
        self.depth -= 1;
        value
    }

    fn value_inside(&mut self) -> Result<Value, TlaError> {
        if self.take("<<") {
            return Ok(Value::seq(self.list(">>", Reader::value)?));
        }
        if self.take("{") {
            return Ok(Value::Set(self.list("}", Reader::value)?.into_iter().collect()));
        }
        if self.take("[") {
            let field = |reader: &mut Self| {
                let name = reader.name()?;
                reader.expect("|->")?;
                Ok((Value::Str(name), reader.value()?))
            };
            return Ok(Value::Fun(self.list("]", field)?.into_iter().collect()));
        }
        if self.take("(") {
            return self.function();
        }
        match self.rest().chars().next() {
            Some('"') => self.string(),
            Some('-' | '0'..='9') => self.number(),
            _ => match self.name()?.as_str() {
                // TLC writes them large, tla-checker small.
                "TRUE" | "true" => Ok(Value::Bool(true)),
                "FALSE" | "false" => Ok(Value::Bool(false)),
                name => Err(TlaError::Value(format!("{name} is a model value, and the twin has none"))),
            },
        }
    }

    /// The items up to a closing token, with commas between them.
    fn list<V>(&mut self, close: &str, item: impl Fn(&mut Self) -> Result<V, TlaError>) -> Result<Vec<V>, TlaError> {
        let mut items = Vec::new();
        while !self.take(close) {
            if !items.is_empty() && !self.take(",") {
                return Err(self.expected(&format!("`,' or `{close}'")));
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn function(&mut self) -> Result<Value, TlaError> {
        let mut map = BTreeMap::new();
        loop {
            let key = self.value()?;
            self.expect(":>")?;
            let value = self.value()?;
            map.insert(key, value);
            if self.take(")") {
                return Ok(Value::Fun(map));
            }
            self.expect("@@")?;
        }
    }

    /// No string of the twin holds a quotation mark, so none is escaped.
    fn string(&mut self) -> Result<Value, TlaError> {
        let quoted = &self.text[self.at + 1..];
        let Some(end) = quoted.find('"') else { return Err(TlaError::Value("a string has no end".into())) };
        self.at += end + 2;
        Ok(Value::str(&quoted[..end]))
    }

    fn number(&mut self) -> Result<Value, TlaError> {
        let rest = self.rest();
        let end = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| end + 1);
        let digits = rest[..end].to_string();
        self.at += end;
        digits.parse().map(Value::Int).map_err(|_| TlaError::Value(format!("{digits} is no integer of 64 bits")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_a_conjunction_over_several_lines() {
        let state =
            Value::from_state("/\\ desc = ( 0 :> \"a\" @@\n  1 :> \"b\" )\n/\\ pc = <<\"Idle\">>\n/\\ waiters = <<>>");
        let expected = Value::record([
            ("desc", Value::fun_from(0, [Value::str("a"), Value::str("b")])),
            ("pc", Value::seq([Value::str("Idle")])),
            ("waiters", Value::seq([])),
        ]);
        assert_eq!(state, Ok(expected));
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in
            ["-1", "TRUE", "{}", "<<>>", "{<<1>>, <<2, {}>>}", "[a |-> 1, b |-> \"x y\"]", "(0 :> -1 @@ 2 :> <<>>)"]
        {
            assert_eq!(text.parse::<Value>().map(|value| value.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn json_and_print_agree() {
        let json = serde_json::json!({"a": {"0": [1, -1], "1": []}, "b": {"kind": "wd", "target": true}});
        let printed = "[a |-> (0 :> <<1, -1>> @@ 1 :> <<>>), b |-> [kind |-> \"wd\", target |-> TRUE]]";
        assert_eq!(Value::from_json(&json), printed.parse());
    }

    #[test]
    fn sets_are_written_as_sequences_in_any_order() {
        let written = |text: &str, json: serde_json::Value| {
            text.parse::<Value>().unwrap().is_written_as(&Value::from_json(&json).unwrap())
        };
        assert!(written("[a |-> {1, 2}, b |-> <<{}, {\"x\"}>>]", serde_json::json!({"a": [2, 1], "b": [[], ["x"]]})));
        for json in [serde_json::json!([1]), serde_json::json!([1, 3]), serde_json::json!({"0": 1, "1": 2})] {
            assert!(!written("{1, 2}", json));
        }
        assert!(!written("<<1, 2>>", serde_json::json!([2, 1])) && !written("[a |-> 1]", serde_json::json!({"b": 1})));
    }

    #[test]
    fn errors_name_what_is_missing_and_what_stands_there() {
        let message = |text: &str| text.parse::<Value>().unwrap_err().to_string();
        assert_eq!(message("[a = 1]"), "`|->' is expected in a value where \"= 1]\" stands");
        assert_eq!(message("(1 :> 2"), "`@@' is expected at the end of a value");
        assert_eq!(message("1 2"), "the end of the value is expected in a value where \"2\" stands");
        assert_eq!(message("\"abc"), "a string has no end");
        assert_eq!(message("t1"), "t1 is a model value, and the twin has none");
        assert_eq!(message("99999999999999999999"), "99999999999999999999 is no integer of 64 bits");
        assert_eq!(message(&"{".repeat(100_000)), "a value is nested more than 32 deep");
        assert_eq!(message(""), "a name is expected at the end of a value");
    }
}
