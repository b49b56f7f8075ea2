//! From bytes to a checked model: decoding, versions, the one input and the one output, and which nodes matter.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, ValueInfoProto, type_proto};
use tract_onnx::prelude::Framework;

use super::draft::MAX_RANK;
use super::error::{OnnxError, Unsupported, printable, printable_reason};
use super::fields;
use super::import::ImportOptions;
use super::integers::IntegerType;
use crate::artefact::{Identity, ONNX, identify};

/// Oldest supported version of the standard operators: the first in which `Dropout` and `BatchNormalization` carry no
/// switch for training and broadcasting follows one rule.
pub const MIN_OPSET: i64 = 7;

/// Newest supported version of the standard operators: a later one may change what an operator means.
pub const MAX_OPSET: i64 = 25;

/// Largest model file, in bytes; the format itself allows no more.
pub const MAX_FILE_BYTES: usize = i32::MAX as usize;

/// Most fields of text, bytes and messages in a file: a node with all that belongs to it has about twenty. Decoded they take 400 MB at worst.
pub const MAX_FIELDS: usize = 1 << 18;

/// Runs code of the reference runtime, which may panic on hostile files, and turns a panic into its message.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panic_message(panic.as_ref())))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    printable_reason(text.unwrap_or("it stopped without a message"))
}

/// Decodes the protobuf message.
pub(super) fn decode(bytes: &[u8]) -> Result<ModelProto, OnnxError> {
    if bytes.is_empty() {
        return Err(OnnxError::malformed("the file is empty; export the model again"));
    }
    match identify(bytes) {
        found @ Identity::Artefact { .. } => return Err(OnnxError::malformed(format!("this is {found}"))),
        Identity::Foreign(found) if found != ONNX => return Err(OnnxError::malformed(format!("this is {found}"))),
        _ => {}
    }
    if bytes.len() > MAX_FILE_BYTES {
        return Err(OnnxError::TooLarge {
            what: format!("the file has {} bytes", bytes.len()),
            limit: format!("{MAX_FILE_BYTES} bytes"),
        });
    }
    if fields::count(bytes, MAX_FIELDS) > MAX_FIELDS {
        return Err(OnnxError::TooLarge {
            what: "the file has too many nodes, attributes, names and tensors".into(),
            limit: format!("{MAX_FIELDS} of them"),
        });
    }
    let decoded = guarded(|| {
        tract_onnx::onnx().proto_model_for_read(&mut { bytes }).map_err(|error| printable_reason(&format!("{error:#}")))
    });
    decoded.map_err(|reason| {
        OnnxError::malformed(format!("decoding failed ({reason}); the file is truncated, damaged or not ONNX"))
    })
}

/// What the importer needs to know of a model before it walks the nodes.
pub(super) struct Header<'a> {
    pub graph: &'a GraphProto,
    pub opset: i64,
    pub input: &'a str,
    /// As in ONNX, batch axis and all.
    pub input_shape: Vec<usize>,
    /// Type of the elements, if they are integers.
    pub input_kind: Option<IntegerType>,
    /// Whether the batch axis had no fixed size, so that 1 was taken.
    pub batch_assumed: bool,
    pub output: &'a ValueInfoProto,
    /// For each node, whether the output depends on it.
    pub live: Vec<bool>,
}

impl<'a> Header<'a> {
    pub fn read(model: &'a ModelProto, options: &ImportOptions) -> Result<Self, OnnxError> {
        let Some(graph) = model.graph.as_ref() else {
            return Err(OnnxError::malformed("it contains no graph; the file is truncated or not ONNX"));
        };
        let opset = opset(model)?;
        if let Some(sparse) = graph.sparse_initializer.first() {
            let name = sparse.values.as_ref().map_or("", |values| &values.name);
            return Err(OnnxError::Unsupported(vec![Unsupported {
                node: printable(name),
                operator: "sparse initialiser".into(),
                attribute: None,
                reason: "got a sparse tensor, expected dense ones; convert the weights before the export".into(),
            }]));
        }
        let (input, output) = ends(graph)?;
        let input_kind = input_kind(input)?;
        let (input_shape, batch_assumed) = input_shape(input, options)?;
        let live = live_nodes(graph, &output.name);
        Ok(Self { graph, opset, input: &input.name, input_shape, input_kind, batch_assumed, output, live })
    }
}

fn opset(model: &ModelProto) -> Result<i64, OnnxError> {
    let mut standard =
        model.opset_import.iter().filter(|import| is_standard(&import.domain)).map(|import| import.version);
    let got = standard.next();
    if let (Some(first), Some(second)) = (got, standard.next()) {
        return Err(OnnxError::malformed(format!(
            "it declares two versions of the standard operators, {first} and {second}; export the model again"
        )));
    }
    got.filter(|version| (MIN_OPSET..=MAX_OPSET).contains(version)).ok_or(OnnxError::Opset {
        got,
        min: MIN_OPSET,
        max: MAX_OPSET,
    })
}

/// Whether a domain is that of the standard operators.
pub(super) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

fn ends(graph: &GraphProto) -> Result<(&ValueInfoProto, &ValueInfoProto), OnnxError> {
    // Older files list initialisers among the inputs, as defaults.
    let constants: HashSet<&str> = graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let inputs: Vec<&ValueInfoProto> =
        graph.input.iter().filter(|input| !constants.contains(input.name.as_str())).collect();
    let &[input] = inputs.as_slice() else {
        return Err(OnnxError::InputCount { names: inputs.iter().map(|input| printable(&input.name)).collect() });
    };
    let [output] = graph.output.as_slice() else {
        return Err(OnnxError::OutputCount {
            names: graph.output.iter().map(|output| printable(&output.name)).collect(),
        });
    };
    Ok((input, output))
}

/// A size of a declared shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Size {
    /// A number.
    Fixed(usize),
    /// A name.
    Named(String),
    /// Neither.
    Unknown,
}

/// The declared sizes of a tensor; `None` if there is no shape.
pub(super) fn declared_shape(value: &ValueInfoProto) -> Option<Vec<Size>> {
    let type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    let sizes = tensor.shape.as_ref()?.dim.iter().map(|dim| match &dim.value {
        Some(Dim::DimValue(size)) => {
            usize::try_from(*size).ok().filter(|&size| size > 0).map_or(Size::Unknown, Size::Fixed)
        }
        Some(Dim::DimParam(name)) if !name.is_empty() => Size::Named(name.clone()),
        _ => Size::Unknown,
    });
    Some(sizes.collect())
}

/// The type of the graph input; `None` for floats.
fn input_kind(input: &ValueInfoProto) -> Result<Option<IntegerType>, OnnxError> {
    let number = match input.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => tensor.elem_type,
        _ => return Ok(None),
    };
    if number == DataType::Float as i32 {
        return Ok(None);
    }
    match IntegerType::from_number(number.into()).filter(|&kind| kind != IntegerType::Int32) {
        Some(kind) => Ok(Some(kind)),
        None => {
            let got =
                DataType::try_from(number).map_or(format!("number {number}"), |kind| kind.as_str_name().to_owned());
            let expected = "FLOAT, UINT8, INT8, UINT16 or INT16 for the graph input";
            Err(OnnxError::ElementType { tensor: printable(&input.name), got, expected })
        }
    }
}

/// The shape of the graph input, and whether its batch axis is open and was taken as 1.
fn input_shape(input: &ValueInfoProto, options: &ImportOptions) -> Result<(Vec<usize>, bool), OnnxError> {
    let name = || printable(&input.name);
    let declared = declared_shape(input);
    let fault = || OnnxError::InputShape { input: name(), got: shown(declared.as_deref()), max_rank: MAX_RANK };
    let sizes = declared.as_ref().filter(|sizes| (1..=MAX_RANK).contains(&sizes.len())).ok_or_else(fault)?;
    check_names(sizes, options)?;
    let mut batch_assumed = false;
    let mut shape = Vec::with_capacity(sizes.len());
    for (axis, size) in sizes.iter().enumerate() {
        let given = if let Size::Named(name) = size { options.dims.get(name).copied() } else { None };
        shape.push(match (size, given) {
            (Size::Fixed(size), _) => *size,
            (_, Some(size)) => size,
            // A value of a single axis has no batch axis.
            _ if axis == 0 && sizes.len() > 1 => {
                batch_assumed = true;
                1
            }
            (Size::Named(dimension), None) => {
                return Err(OnnxError::OpenDimension { input: name(), axis, dimension: printable(dimension) });
            }
            (Size::Unknown, None) => return Err(fault()),
        });
    }
    Ok((shape, batch_assumed))
}

/// A name that was given a size but does not occur is a typing error.
fn check_names(sizes: &[Size], options: &ImportOptions) -> Result<(), OnnxError> {
    let is_known = |name: &str| sizes.iter().any(|size| matches!(size, Size::Named(known) if known == name));
    let Some((dimension, &size)) = options.dims.iter().find(|(name, size)| **size == 0 || !is_known(name)) else {
        return Ok(());
    };
    let name = |size: &Size| if let Size::Named(name) = size { Some(printable(name)) } else { None };
    let known = sizes.iter().filter_map(name).collect();
    Err(OnnxError::Dimension { dimension: printable(dimension), size, known })
}

/// A declared shape for a message.
pub(super) fn shown(shape: Option<&[Size]>) -> String {
    let Some(shape) = shape else { return "unknown".into() };
    let mut sizes: Vec<String> = shape
        .iter()
        .take(MAX_RANK)
        .map(|size| match size {
            Size::Fixed(size) => size.to_string(),
            Size::Named(name) => printable(name),
            Size::Unknown => "?".into(),
        })
        .collect();
    if shape.len() > MAX_RANK {
        sizes.push(format!("and {} more", shape.len() - MAX_RANK));
    }
    format!("[{}]", sizes.join(", "))
}

/// Marks the nodes that the output depends on, from the output backwards.
fn live_nodes(graph: &GraphProto, output: &str) -> Vec<bool> {
    let producers: HashMap<&str, usize> = graph
        .node
        .iter()
        .enumerate()
        .flat_map(|(index, node)| node.output.iter().map(move |name| (name.as_str(), index)))
        .filter(|(name, _)| !name.is_empty())
        .collect();
    let mut live = vec![false; graph.node.len()];
    let mut open = vec![output];
    while let Some(name) = open.pop() {
        let Some(&index) = producers.get(name) else { continue };
        if let (Some(seen), Some(node)) = (live.get_mut(index), graph.node.get(index))
            && !std::mem::replace(seen, true)
        {
            open.extend(node.input.iter().map(String::as_str));
        }
    }
    live
}

/// Removes what the output does not depend on, and declared shapes, whose names are not sizes to the reference runtime.
/// It gets this: it then reads only what the importer has checked.
pub(super) fn pruned(mut model: ModelProto, live: &[bool]) -> ModelProto {
    if let Some(graph) = model.graph.as_mut() {
        let mut is_live = live.iter();
        graph.node.retain(|_| is_live.next().copied().unwrap_or(false));
        let used: HashSet<String> = graph.node.iter().flat_map(|node: &NodeProto| node.input.clone()).collect();
        graph.initializer.retain(|tensor| used.contains(&tensor.name));
        graph.input.retain(|input| used.contains(&input.name) || graph.output.iter().any(|o| o.name == input.name));
        graph.value_info.clear();
        graph.output.iter_mut().for_each(|output| output.r#type = None);
    }
    model
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(guarded(|| Ok(1)), Ok(1));
        assert_eq!(guarded::<()>(|| panic!("no {}", "luck")), Err("no luck".into()));
        assert_eq!(guarded::<()>(|| panic!("plain")), Err("plain".into()));
        assert!(guarded::<()>(|| std::panic::panic_any(7)).is_err());
    }

    #[test]
    fn an_empty_file_is_said_to_be_empty() {
        assert!(decode(&[]).unwrap_err().to_string().contains("the file is empty"));
    }
}
