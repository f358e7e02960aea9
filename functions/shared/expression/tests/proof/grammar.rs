//! Random expressions: trees of pieces of text, mostly of matching types, so that most of them have a value.

use crate::chance::Chance;

/// What an expression is expected to give; now and then another one stands in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    /// A number that is likely within bounds.
    Place,
    Text,
    Truth,
    List,
    Map,
    /// An element of `people`.
    Person,
    Any,
}

/// A part of an expression: text with parts in it.
#[derive(Debug, Clone)]
pub(crate) struct Part(pub(crate) Vec<Piece>);

#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Text(String),
    Part(Part),
}

impl Part {
    fn leaf(text: impl Into<String>) -> Self {
        Self(vec![Piece::Text(text.into())])
    }

    /// `pattern` with each `%` replaced by the next part.
    fn of(pattern: &str, parts: Vec<Self>) -> Self {
        let mut pieces = Vec::new();
        let mut parts = parts.into_iter();
        for (at, text) in pattern.split('%').enumerate() {
            if at > 0 {
                pieces.push(Piece::Part(parts.next().expect("a part for each %")));
            }
            if !text.is_empty() {
                pieces.push(Piece::Text(text.to_owned()));
            }
        }
        Self(pieces)
    }

    pub(crate) fn write(&self, out: &mut String) {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Part(part) => part.write(out),
            }
        }
    }

    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// Every tree that is this one with one part made simpler.
    pub(crate) fn simpler(&self) -> Vec<Self> {
        let mut all: Vec<Self> = self.parts().cloned().collect();
        for (at, piece) in self.0.iter().enumerate() {
            let Piece::Part(part) = piece else { continue };
            let leaves = ["1", "'a'", "true", "null", "one", "word", "numbers"].map(Self::leaf);
            let fewer = part.text().len();
            let leaves = leaves.into_iter().filter(|leaf| leaf.text().len() < fewer);
            for part in part.simpler().into_iter().chain(leaves) {
                let mut whole = self.clone();
                whole.0[at] = Piece::Part(part);
                all.push(whole);
            }
        }
        all
    }

    fn parts(&self) -> impl Iterator<Item = &Self> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Part(part) => Some(part),
            Piece::Text(_) => None,
        })
    }
}

/// Rules by kind: each a pattern and the kinds of its parts. Ahead of the mark stand those without parts.
type Rule = (&'static str, &'static [Kind]);
use Kind::{Any, List, Map, Number, Person, Place, Text, Truth};

const NUMBERS: [&str; 28] = [
    "#stage('First')['context']['n']",
    "trigger.payload.n",
    "0",
    "1",
    "2",
    "3",
    "7",
    "-1",
    "10",
    "2147483647",
    "1L",
    "3000000000L",
    "0.5",
    "1.0",
    "2.5f",
    "1e3",
    "0x1F",
    "one",
    "two",
    "minus",
    "big",
    "long",
    "half",
    "whole",
    "map.n",
    "numbers[0]",
    "numbers['1']",
    "people[0].age",
];
const PLACES: [&str; 12] =
    ["0", "1", "2", "one", "0", "1", "'1'", "numbers.size() - 1", "words[0].length()", "none.size()", "1L", "two - one"];
const TEXTS: [&str; 30] = [
    "#stage('First').name",
    "#stage('First').context.t",
    "#stage('Second')['status'].toString()",
    "#stage('Second')['outputs']['t']",
    "#judgment('Asked')",
    "trigger['tag']",
    "''",
    "'a'",
    "'b'",
    "\"a\"",
    "'1'",
    "'hello'",
    "'Hello World'",
    "'a,b,,c'",
    "'v1.2.3'",
    "'it''s'",
    "' x '",
    "'true'",
    "word",
    "other",
    "empty",
    "digits",
    "csv",
    "dotted",
    "accents",
    "map.t",
    "map['t']",
    "words[0]",
    "people[1].name",
    "map['dashed-key']",
];
const TRUTHS: [&str; 11] = [
    "#stage('First').status.toString() == 'SUCCEEDED'",
    "#stageExists('Nobody')",
    "trigger['tag'] == 'v1'",
    "true",
    "false",
    "yes",
    "no",
    "TRUE",
    "map.b",
    "people[0].active",
    "'true'",
];
const LISTS: [&str; 11] =
    ["numbers", "words", "mixed", "none", "nested", "people", "{1, 2, 3}", "{'b', 'a'}", "{}", "map.list", "people[0].tags"];
const MAPS: [&str; 8] = ["map", "noMap", "people[0]", "{a: 1, b: 'x'}", "{:}", "map.deep", "{'k': {1, 2}}", "people[1]"];
const ANYS: [&str; 9] =
    ["null", "nothing", "missing", "map.missing", "map['missing']", "nothing?.x", "mixed[3]", "people[2].address", "#root.word"];

const NUMBER_RULES: &[Rule] = &[
    ("#stage(%).outputs.n", &[Text]),
    ("trigger['artifacts'].?[type == %].size()", &[Text]),
    ("% + %", &[Number, Number]),
    ("% - %", &[Number, Number]),
    ("% * %", &[Number, Number]),
    ("% / %", &[Number, Number]),
    ("% % %", &[]),
    ("% mod %", &[Number, Number]),
    ("% div %", &[Number, Number]),
    ("% ^ 2", &[Number]),
    ("-%", &[Number]),
    ("(%)", &[Number]),
    ("(% + %)", &[Number, Number]),
    ("%.length()", &[Text]),
    ("%.size()", &[List]),
    ("%.size()", &[Map]),
    ("%.indexOf(%)", &[Text, Text]),
    ("%.lastIndexOf(%)", &[Text, Text]),
    ("%.indexOf(%)", &[List, Any]),
    ("%.compareTo(%)", &[Text, Text]),
    ("%.compareTo(%)", &[Number, Number]),
    ("%.intValue()", &[Number]),
    ("%.longValue()", &[Number]),
    ("%.doubleValue()", &[Number]),
    ("(% ? % : %)", &[Truth, Number, Number]),
    ("(% ?: %)", &[Any, Number]),
    ("#toInt(%)", &[Text]),
    ("#toFloat(%)", &[Text]),
    ("T(Math).max(%, %)", &[Number, Number]),
    ("T(Math).min(%, %)", &[Number, Number]),
    ("T(Math).abs(%)", &[Number]),
    ("T(Math).round(%)", &[Number]),
    ("T(Math).floor(%)", &[Number]),
    ("T(java.lang.Integer).parseInt(%)", &[Text]),
    ("T(Double).parseDouble(%)", &[Text]),
    ("numbers[%]", &[Place]),
    ("numbers.^[#this > %]", &[Number]),
    ("%.hashCode()", &[Text]),
    ("%.hashCode()", &[Number]),
    ("%.split(%).length", &[Text, Text]),
];
const TEXT_RULES: &[Rule] = &[
    ("trigger['artifacts'].?[type == 'docker'].![reference][%]", &[Place]),
    ("trigger['artifacts'].^[name == %].reference", &[Text]),
    ("trigger['artifacts'].?[type == 'docker'][0]['version'] == % ? 'x' : 'y' + %", &[Text, Text]),
    ("#stage(%)['context']['t']", &[Text]),
    ("execution.stages.?[status.toString() == 'SUCCEEDED'].![name][%]", &[Place]),
    ("% + %", &[Text, Text]),
    ("% + %", &[Text, Any]),
    ("% + %", &[Text, Number]),
    ("% + %", &[Number, Text]),
    ("(% + %)", &[Text, Truth]),
    ("('' + %)", &[List]),
    ("('' + %)", &[Map]),
    ("%.toString()", &[Number]),
    ("%.toString()", &[List]),
    ("%.toString()", &[Map]),
    ("%.toString()", &[Truth]),
    ("(%).toString()", &[Number]),
    ("%.substring(%)", &[Text, Place]),
    ("%.substring(1)", &[Text]),
    ("%.substring(0, %)", &[Text, Place]),
    ("%.substring(%, %)", &[Text, Place, Place]),
    ("%.toUpperCase()", &[Text]),
    ("%.toLowerCase()", &[Text]),
    ("%.trim()", &[Text]),
    ("%.strip()", &[Text]),
    ("%.concat(%)", &[Text, Text]),
    ("%.repeat(2)", &[Text]),
    ("%.replace(%, %)", &[Text, Text, Text]),
    ("%.replace('l', %)", &[Text, Text]),
    ("%.replaceAll('[a-c]', %)", &[Text, Text]),
    ("%.replaceAll('(\\w)(\\d)', '$2-$1')", &[Text]),
    ("%.replaceAll('\\.', '-')", &[Text]),
    ("%.replaceFirst('[aeiou]', '<$0>')", &[Text]),
    ("%.charAt(%)", &[Text, Place]),
    ("%[0]", &[Text]),
    ("%.split(',')[0]", &[Text]),
    ("%.split('\\.')[1]", &[Text]),
    ("(% ? % : %)", &[Truth, Text, Text]),
    ("% ? % : %", &[Truth, Text, Text]),
    ("(% ?: %)", &[Any, Text]),
    ("(%)", &[Text]),
    ("words[%]", &[Place]),
    ("#toJson(%)", &[Any]),
    ("#toJson(%)", &[List]),
    ("#toJson(%)", &[Map]),
    ("#toBase64(%)", &[Text]),
    ("#fromBase64(#toBase64(%))", &[Text]),
    ("#alphanumerical(%)", &[Text]),
    ("T(String).valueOf(%)", &[Number]),
    ("T(String).join(%, %, %)", &[Text, Text, Text]),
    ("T(String).join('-', words)", &[]),
    ("%.name", &[Person]),
    ("%['name']", &[Person]),
    ("people.![name][%]", &[Place]),
    ("words.^[length() > %]", &[Number]),
    ("% * 2", &[Text]),
    ("T(java.net.URLEncoder).encode(%, 'UTF-8')", &[Text]),
    ("T(String).format(word, %, %)", &[Text, Text]),
    ("T(Integer).toHexString(%)", &[Number]),
];
const TRUTH_RULES: &[Rule] = &[
    ("#stageExists(%)", &[Text]),
    ("#judgment('Asked') == %", &[Text]),
    ("#stage('First')['status'].toString() == % && %", &[Text, Truth]),
    ("trigger['payload'].containsKey(%)", &[Text]),
    ("% == %", &[Number, Number]),
    ("% != %", &[Number, Number]),
    ("% == %", &[Text, Text]),
    ("% != %", &[Text, Text]),
    ("% == %", &[Any, Any]),
    ("% == null", &[Any]),
    ("% != null", &[Any]),
    ("% == %", &[List, List]),
    ("% == %", &[Map, Map]),
    ("% eq %", &[Text, Text]),
    ("% ne %", &[Any, Any]),
    ("% < %", &[Number, Number]),
    ("% <= %", &[Number, Number]),
    ("% > %", &[Number, Number]),
    ("% >= %", &[Number, Number]),
    ("% lt %", &[Text, Text]),
    ("% > %", &[Text, Text]),
    ("% ge %", &[Any, Number]),
    ("% && %", &[Truth, Truth]),
    ("% || %", &[Truth, Truth]),
    ("% and %", &[Truth, Truth]),
    ("% or %", &[Truth, Truth]),
    ("!%", &[Truth]),
    ("not %", &[Truth]),
    ("!(%)", &[Truth]),
    ("(%)", &[Truth]),
    ("% ? % : %", &[Truth, Truth, Truth]),
    ("%.isEmpty()", &[Text]),
    ("%.isBlank()", &[Text]),
    ("%.isEmpty()", &[List]),
    ("%.isEmpty()", &[Map]),
    ("%.contains(%)", &[Text, Text]),
    ("%.contains(%)", &[List, Any]),
    ("%.contains(%)", &[List, Number]),
    ("%.contains(%)", &[List, Text]),
    ("%.containsKey(%)", &[Map, Text]),
    ("%.containsValue(%)", &[Map, Any]),
    ("%.startsWith(%)", &[Text, Text]),
    ("%.endsWith(%)", &[Text, Text]),
    ("%.equals(%)", &[Text, Text]),
    ("%.equals(%)", &[Number, Number]),
    ("%.equals(%)", &[Any, Any]),
    ("%.equalsIgnoreCase(%)", &[Text, Text]),
    ("% matches '[a-z]+'", &[Text]),
    ("% matches '.*\\d.*'", &[Text]),
    ("% matches %", &[Text, Text]),
    ("%.matches('(?i)[a-z ]*')", &[Text]),
    ("#toBoolean(%)", &[Text]),
    ("T(Boolean).parseBoolean(%)", &[Text]),
    ("% between {%, %}", &[Number, Number, Number]),
    ("%.active", &[Person]),
];
const LIST_RULES: &[Rule] = &[
    ("{%, %}", &[Any, Any]),
    ("{%, %, %}", &[Number, Text, Truth]),
    ("{%}", &[List]),
    ("people.?[age > %]", &[Number]),
    ("people.?[name == %]", &[Text]),
    ("people.?[%]", &[Truth]),
    ("people.![age]", &[]),
    ("people.![name]", &[]),
    ("people.![name + %]", &[Text]),
    ("people.![age + %]", &[Number]),
    ("people.![tags]", &[]),
    ("people.![address?.city]", &[]),
    ("people.![%]", &[Any]),
    ("people.?[active].![name]", &[]),
    ("people.?[tags.contains(%)].![age]", &[Text]),
    ("numbers.?[#this > %]", &[Number]),
    ("numbers.![#this * %]", &[Number]),
    ("numbers.![#this + %]", &[Text]),
    ("words.?[length() > %]", &[Number]),
    ("words.?[#this matches '.*' + % + '.*']", &[Text]),
    ("words.![toUpperCase()]", &[]),
    ("words.![#this + %]", &[Text]),
    ("%.?[#this != null]", &[List]),
    ("%.![#this]", &[List]),
    ("%.![#this == %]", &[List, Any]),
    ("%.subList(0, %)", &[List, Place]),
    ("%.split(%)", &[Text, Text]),
    ("%.split(',')", &[Text]),
    ("%.keySet()", &[Map]),
    ("%.values()", &[Map]),
    ("(% ? % : %)", &[Truth, List, List]),
    ("(% ?: %)", &[Any, List]),
    ("#readJson(#toJson(%))", &[List]),
    ("nested[%]", &[Place]),
    ("%.tags", &[Person]),
    ("%.entrySet()", &[Map]),
];
const MAP_RULES: &[Rule] = &[
    ("{a: %, b: %}", &[Any, Number]),
    ("{'k': %}", &[Any]),
    ("{k: %}", &[Map]),
    ("(% ? % : %)", &[Truth, Map, Map]),
    ("(% ?: %)", &[Any, Map]),
    ("#readJson(#toJson(%))", &[Map]),
    ("%.?[true]", &[Map]),
    ("(%)", &[Map]),
    ("%", &[Person]),
];
const PERSON_RULES: &[Rule] = &[
    ("people[%]", &[Place]),
    ("people.^[age > %]", &[Number]),
    ("people.$[age > %]", &[Number]),
    ("people.^[name == %]", &[Text]),
    ("people.?[age > %][0]", &[Number]),
    ("people.^[%]", &[Truth]),
];
const ANY_RULES: &[Rule] = &[
    ("%[%]", &[List, Place]),
    ("%['%']", &[]),
    ("%[%]", &[Map, Text]),
    ("%?.length()", &[Any]),
    ("%?.name", &[Any]),
    ("%.get(%)", &[Map, Text]),
    ("%.get(%)", &[List, Place]),
    ("%.getOrDefault(%, %)", &[Map, Text, Any]),
    ("%.a", &[Map]),
    ("%.^[#this != null]", &[List]),
    ("%.$[true]", &[List]),
    ("% ?: %", &[Any, Any]),
    ("% ? % : %", &[Any, Any, Any]),
    ("%.toString()", &[Any]),
    ("% + %", &[Any, Any]),
    ("%.address", &[Person]),
    ("#root[%]", &[Text]),
    ("T(java.time.LocalDate).parse('2024-02-29').plusDays(%).toString()", &[Number]),
    ("new java.util.Date(%).getTime()", &[Number]),
    ("new java.text.SimpleDateFormat('yyyy-MM-dd HH:mm').format(new java.util.Date(%))", &[Number]),
    ("%.nothing()", &[Text]),
    ("%.nothing", &[Text]),
];

/// A random expression.
pub(crate) fn expression(kind: Kind, depth: usize, chance: &mut Chance) -> Part {
    let kind = if chance.once_in(60) { *chance.of(&[Number, Text, Truth, List, Map, Any]) } else { kind };
    let kind = if kind == Any && chance.once_in(2) { *chance.of(&[Number, Text, Truth, List, Map, Any]) } else { kind };
    if kind != Person && (depth == 0 || chance.once_in(if kind == Place { 1 } else { 4 })) {
        return leaf(kind, chance);
    }
    let rules = match kind {
        Number | Place => NUMBER_RULES,
        Text => TEXT_RULES,
        Truth => TRUTH_RULES,
        List => LIST_RULES,
        Map => MAP_RULES,
        Person => PERSON_RULES,
        Any => ANY_RULES,
    };
    let (pattern, kinds) = *chance.of(rules);
    // These hold more than a pattern can say.
    match (kind, pattern) {
        (Number, "% % %") => {
            let (a, b) = (expression(Number, depth - 1, chance), expression(Number, depth - 1, chance));
            return Part(vec![Piece::Part(a), Piece::Text(" % ".into()), Piece::Part(b)]);
        }
        (Any, "%['%']") => {
            let a = expression(Map, depth - 1, chance);
            return Part(vec![Piece::Part(a), Piece::Text("['a']".into())]);
        }
        _ => {}
    }
    let depth = depth.saturating_sub(1);
    let parts = kinds.iter().map(|kind| expression(*kind, depth, chance)).collect();
    Part::of(pattern, parts)
}

fn leaf(kind: Kind, chance: &mut Chance) -> Part {
    let leaves: &[&str] = match kind {
        Number => &NUMBERS,
        Place => &PLACES,
        Text => &TEXTS,
        Truth => &TRUTHS,
        List => &LISTS,
        Map | Person => &MAPS,
        Any => &ANYS,
    };
    Part::leaf(*chance.of(leaves))
}

/// A random text: mostly one expression, now and then several with text around them, or one with a character gone.
pub(crate) fn template(chance: &mut Chance) -> Part {
    let kind = *chance.of(&[Number, Text, Truth, List, Map, Any, Any]);
    let depth = 1 + chance.below(4);
    let one = Part::of("${%}", vec![expression(kind, depth, chance)]);
    match chance.below(20) {
        0 | 1 => Part::of("a%b", vec![one]),
        2 => {
            let two = Part::of("${%}", vec![expression(Text, 2, chance)]);
            Part::of("%-%", vec![one, two])
        }
        3 => {
            let mut text = one.text();
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).skip(2).collect();
            let at = *chance.of(&places);
            if chance.once_in(2) {
                text.remove(at);
            } else {
                text.insert(
                    at,
                    *chance.of(&['(', ')', '\'', '.', ' ', '?', '!', '[', ']', '+', '-', '#', '{', '}', ',', ':', '=', '&', '$']),
                );
            }
            Part::leaf(text)
        }
        _ => one,
    }
}
