//! Attributes of a node, by name. Whatever a builder does not ask for is refused by name.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, TensorProto};

use super::context::{Context, Stop, short_list};
use super::error::printable;
use crate::graph::MAX_ELEMENTS;

/// A list of integers that is an attribute in old versions of an operator and an input in new ones.
pub(super) struct Moved {
    attribute: Option<Vec<i64>>,
    is_input: bool,
}

impl Moved {
    /// How many inputs the list takes.
    pub fn inputs(&self) -> usize {
        usize::from(self.is_input)
    }

    /// The list, from input `index` where it is one; `None` if it was left out.
    pub fn read(self, context: &mut Context<'_>, index: usize) -> Result<Option<Vec<i64>>, Stop> {
        if !self.is_input {
            return Ok(self.attribute);
        }
        match context.optional_constant(index)? {
            Some(constant) => Ok(Some(constant.ints()?)),
            None => Ok(None),
        }
    }

    /// The list, which must not be left out.
    pub fn required(self, context: &mut Context<'_>, index: usize, name: &str) -> Result<Vec<i64>, Stop> {
        match self.read(context, index)? {
            Some(list) => Ok(list),
            None => Err(context.refuse(Some(name), "missing, expected a list of integers; export the model again")),
        }
    }
}

impl<'a> Context<'a> {
    /// Notes the value of an attribute.
    pub fn refuse_value(&mut self, attribute: &str, got: &str, expected: &str, remedy: &str) -> Stop {
        self.refuse(Some(attribute), format!("got {got}, expected {expected}; {remedy}"))
    }

    /// Takes an attribute; what is left in the end is unknown to the builder.
    fn take_attribute(&mut self, name: &str, kind: AttributeType) -> Option<&'a AttributeProto> {
        let attribute = self.attributes.remove(name)?;
        // Files older than type tags leave the tag undefined.
        let found = AttributeType::try_from(attribute.r#type);
        if found == Ok(kind) || (found == Ok(AttributeType::Undefined) && attribute.ref_attr_name.is_empty()) {
            return Some(attribute);
        }
        let got = found.map_or("an unknown type", |found| found.as_str_name());
        self.refuse_value(name, got, kind.as_str_name(), "export the model again");
        None
    }

    /// An integer attribute, or the default if it is missing (or of another type, which is noted).
    pub fn int(&mut self, name: &str, default: i64) -> i64 {
        self.take_attribute(name, AttributeType::Int).map_or(default, |attribute| attribute.i)
    }

    /// An integer attribute that has to be there; 0 if it is not, which is noted.
    pub fn required_int(&mut self, name: &str) -> i64 {
        if !self.has(name) {
            self.refuse(Some(name), "missing, expected an integer; export the model again");
        }
        self.int(name, 0)
    }

    /// A float attribute, or the default. Anything but a finite number is noted.
    pub fn float(&mut self, name: &str, default: f32) -> f32 {
        let value = self.take_attribute(name, AttributeType::Float).map_or(default, |attribute| attribute.f);
        if value.is_finite() {
            return value;
        }
        self.refuse_value(name, &value.to_string(), "a finite number", "repair the model");
        default
    }

    /// A list of integers, if it is there.
    pub fn ints(&mut self, name: &str) -> Option<&'a [i64]> {
        self.take_attribute(name, AttributeType::Ints).map(|attribute| attribute.ints.as_slice())
    }

    /// A list of floats, if it is there.
    pub fn floats(&mut self, name: &str) -> Option<&'a [f32]> {
        self.take_attribute(name, AttributeType::Floats).map(|attribute| attribute.floats.as_slice())
    }

    /// A tensor, if it is there.
    pub fn tensor(&mut self, name: &str) -> Option<&'a TensorProto> {
        self.take_attribute(name, AttributeType::Tensor).and_then(|attribute| attribute.t.as_ref())
    }

    /// Whether an attribute is given, whatever its type.
    pub fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    /// Reads an attribute that does not change the result of inference.
    pub fn ignore(&mut self, name: &str) {
        self.attributes.remove(name);
    }

    /// Notes an integer attribute that is there and not `only`.
    pub fn require_int(&mut self, name: &str, only: i64, remedy: &str) {
        let got = self.int(name, only);
        if got != only {
            self.refuse_value(name, &got.to_string(), &only.to_string(), remedy);
        }
    }

    /// One of the named values of a text attribute. The first one is the default, also for any other text, which is
    /// noted.
    pub fn choice<T: Copy, const N: usize>(&mut self, name: &str, choices: [(&str, T); N], remedy: &str) -> Option<T> {
        let default = choices.first().map(|&(_, value)| value);
        let attribute = self.take_attribute(name, AttributeType::String);
        // Some exporters spell "the default" as the empty text.
        let Some(got) = attribute.map(|attribute| attribute.s.as_slice()).filter(|got| !got.is_empty()) else {
            return default;
        };
        let found = choices.iter().find(|(text, _)| text.as_bytes() == got);
        if found.is_none() {
            let expected = choices.map(|(text, _)| text).join(", ");
            let got = printable(&String::from_utf8_lossy(got));
            self.refuse_value(name, &got, &format!("one of {expected}"), remedy);
        }
        found.map(|&(_, value)| value).or(default)
    }

    /// A list of sizes of at least `least`, if it is there (and not something else, which is noted). The upper limit
    /// keeps products of two sizes, and sums of such, within a word.
    pub fn sizes(&mut self, name: &str, least: usize) -> Option<Vec<usize>> {
        let got = self.ints(name)?;
        let sizes: Option<Vec<usize>> = got
            .iter()
            .map(|&size| usize::try_from(size).ok().filter(|size| (least..=MAX_ELEMENTS).contains(size)))
            .collect();
        if sizes.is_none() {
            let expected = format!("integers from {least} to {MAX_ELEMENTS}");
            self.refuse_value(name, &short_list(got), &expected, "export the model again");
        }
        sizes
    }

    /// A list of integers that is an input from version `since` of the operators on.
    pub fn moved_ints(&mut self, name: &str, since: i64) -> Moved {
        let is_input = self.opset >= since;
        // As an input it is no attribute: one of that name stays, and is refused in the end.
        let attribute = if is_input { None } else { self.ints(name).map(<[i64]>::to_vec) };
        Moved { attribute, is_input }
    }

    /// Call this once all attributes are read: it refuses the rest by name, and a node that had anything noted.
    pub fn finish_attributes(&mut self) -> Result<(), Stop> {
        for name in std::mem::take(&mut self.attributes).into_keys() {
            self.refuse(Some(name), "not known for this operator; remove it or export the model again");
        }
        if self.refused.is_empty() { Ok(()) } else { Err(Stop::Refused) }
    }
}
