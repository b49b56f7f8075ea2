//! The walk over the nodes of a model that yields the float graph.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tract_onnx::pb::{ModelProto, NodeProto};

use super::constant::Constant;
use super::context::{Built, Context, Stop, Tensor, Value};
use super::draft::{Draft, Operand, canonical, charge};
use super::error::{OnnxError, Unsupported, printable};
use super::integers::Integers;
use super::model::{Header, Size, declared_shape, is_standard, shown};
use super::registry::Registry;
use crate::graph::{Graph, Op, ShapeFault, element_count};

/// What to take for the things that a file leaves open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// Sizes of the graph input that the file gives a name in place of a number. One in front that is not set is taken
    /// as a batch axis of 1.
    pub dims: BTreeMap<String, usize>,
}

/// An imported network and what the file said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The network, as in the file: simplify it with [`simplify`](crate::graph::rewrite::simplify).
    pub graph: Graph,
    /// Version of the standard operators that the file declares.
    pub opset: i64,
    /// Name of the graph input.
    pub input_name: String,
    /// Shape of the graph input in ONNX, batch axis and all.
    pub input_shape: Vec<usize>,
    /// Name of the graph output.
    pub output_name: String,
    /// Shape of the graph output in ONNX, batch axis and all.
    pub output_shape: Vec<usize>,
    /// Whether the file leaves the size of the batch axis open, so that 1 was taken.
    pub batch_assumed: bool,
    /// How many nodes were left out because the output does not depend on them.
    pub dropped_nodes: usize,
}

/// Builds the float graph of a decoded model.
pub(super) fn build(model: &ModelProto, header: &Header<'_>, registry: &Registry) -> Result<Import, OnnxError> {
    let mut importer = Importer {
        model,
        header,
        registry,
        values: HashMap::new(),
        draft: Draft::default(),
        refused: Vec::new(),
        constant_elements: 0,
    };
    importer.read_constants()?;
    importer.add_input()?;
    for (index, node) in header.graph.node.iter().enumerate() {
        if header.live.get(index) == Some(&true) {
            importer.import_node(index, node)?;
        }
    }
    let output = importer.output()?;
    let graph = importer.draft.finish(output.id);
    graph.check()?;
    Ok(Import {
        graph,
        opset: header.opset,
        input_name: printable(header.input),
        input_shape: header.input_shape.clone(),
        output_name: printable(&header.output.name),
        output_shape: output.shape,
        batch_assumed: header.batch_assumed,
        dropped_nodes: header.live.iter().filter(|&&live| !live).count(),
    })
}

struct Importer<'a> {
    model: &'a ModelProto,
    header: &'a Header<'a>,
    registry: &'a Registry,
    values: HashMap<&'a str, Value>,
    draft: Draft,
    refused: Vec<Unsupported>,
    /// Elements of all constants. They are counted so that a small file cannot ask for much memory.
    constant_elements: usize,
}

impl<'a> Importer<'a> {
    fn read_constants(&mut self) -> Result<(), OnnxError> {
        for tensor in &self.header.graph.initializer {
            let constant = Constant::read(tensor, &tensor.name)?;
            charge(&mut self.constant_elements, element_count(&constant.shape), "the constants come")?;
            self.define(&tensor.name, Value::Tensor(constant.into()))?;
        }
        Ok(())
    }

    fn add_input(&mut self) -> Result<(), OnnxError> {
        let shape = self.header.input_shape.clone();
        let name = printable(self.header.input);
        let id = self.draft.add(&name, "graph input", Op::Input, vec![], canonical(&shape))?;
        let mut input = Operand { id, shape, integers: None };
        if let Some(kind) = self.header.input_kind {
            let (lo, hi) = kind.range();
            let op = Op::Quantise { step: 1.0, lo, hi };
            input.id = self.draft.add(&name, "graph input", op, vec![id], &[])?;
            input.integers = Some(Integers::plain(kind));
        }
        self.define(self.header.input, Value::Tensor(input.into()))
    }

    /// Gives a tensor name its value; every name has one.
    fn define(&mut self, name: &'a str, value: Value) -> Result<(), OnnxError> {
        match self.values.insert(name, value) {
            None => Ok(()),
            Some(_) => Err(OnnxError::malformed(format!("tensor `{}` is defined twice", printable(name)))),
        }
    }

    fn import_node(&mut self, index: usize, node: &'a NodeProto) -> Result<(), OnnxError> {
        let name = display_name(index, node);
        let operator = display_operator(node);
        let inputs = self.inputs(node, &name)?;
        let built = match self.builder(node) {
            Err(reason) => {
                self.refused.push(Unsupported { node: name.clone(), operator, attribute: None, reason });
                None
            }
            Ok(builder) => {
                let head = (name.clone(), operator, self.header.opset);
                let mut context = Context::new(node, head, inputs, &mut self.draft);
                match builder(&mut context) {
                    Ok(built) => Some(built),
                    Err(Stop::Fatal(error)) => return Err(error),
                    Err(Stop::Upstream | Stop::Refused) => {
                        self.refused.extend(context.into_refused());
                        None
                    }
                }
            }
        };
        let rest = match &built {
            None => Value::Refused,
            Some(_) => Value::SideOutput { producer: name },
        };
        let mut tensors = built.map(|Built(tensors)| tensors).unwrap_or_default().into_iter();
        for output in &node.output {
            let tensor = tensors.next();
            if !output.is_empty() {
                self.charge_constant(tensor.as_ref())?;
                self.define(output, tensor.map_or_else(|| rest.clone(), Value::Tensor))?;
            }
        }
        Ok(())
    }

    fn charge_constant(&mut self, tensor: Option<&Tensor>) -> Result<(), OnnxError> {
        match tensor {
            // A constant that nobody else holds was made by this node.
            Some(Tensor::Constant(constant)) if Arc::strong_count(constant) == 1 => {
                charge(&mut self.constant_elements, element_count(&constant.shape), "the constants come")
            }
            _ => Ok(()),
        }
    }

    fn inputs(&self, node: &NodeProto, name: &str) -> Result<Vec<Value>, OnnxError> {
        let value = |input: &String| match (input.as_str(), self.values.get(input.as_str())) {
            ("", _) => Ok(Value::Absent),
            (_, Some(value)) => Ok(value.clone()),
            (_, None) => Err(OnnxError::malformed(format!(
                "node `{name}` reads tensor `{}`, which nothing before it defines; \
                 the file is damaged or its nodes are not in topological order",
                printable(input)
            ))),
        };
        node.input.iter().map(value).collect()
    }

    fn builder(&self, node: &NodeProto) -> Result<super::registry::Builder, String> {
        let is_function = self.model.functions.iter().any(|function| {
            let domain = function.domain.as_deref().unwrap_or("");
            function.name.as_deref() == Some(node.op_type.as_str())
                && (domain == node.domain || (is_standard(domain) && is_standard(&node.domain)))
        });
        if is_function {
            return Err(
                "it is a function of the model, which are not supported; inline functions before the export".into()
            );
        }
        let builder = self.registry.builder(&node.op_type).filter(|_| is_standard(&node.domain));
        if builder.is_none() && node.op_type == "DynamicQuantizeLinear" && is_standard(&node.domain) {
            return Err("the scale depends on the data, expected constant scales; quantise the model statically".into());
        }
        builder.ok_or_else(|| {
            let count = self.registry.operators().count();
            format!("the operator is not supported; replace it by some of the {count} in docs/operators.md")
        })
    }

    /// Reports what was refused, or finds the output.
    fn output(&mut self) -> Result<Operand, OnnxError> {
        if !self.refused.is_empty() {
            return Err(OnnxError::Unsupported(std::mem::take(&mut self.refused)));
        }
        let output = self.header.output;
        let name = printable(&output.name);
        match self.values.get(output.name.as_str()) {
            Some(Value::Tensor(Tensor::Activation(x))) => {
                check_declared(&name, declared_shape(output).as_deref(), &x.shape)?;
                match x.integers {
                    None => Ok(x.clone()),
                    Some(own) => plain(&mut self.draft, &name, x, own),
                }
            }
            Some(other) => {
                let reason = match other {
                    Value::SideOutput { producer } => {
                        format!(
                            "it is a second output of node `{producer}`, which is not computed; choose another output"
                        )
                    }
                    _ => "it does not depend on the network's input, expected one that does; choose another output"
                        .into(),
                };
                let operator = "graph output".into();
                Err(OnnxError::Unsupported(vec![Unsupported { node: name, operator, attribute: None, reason }]))
            }
            None => Err(OnnxError::malformed(format!("nothing defines the graph output `{name}`"))),
        }
    }
}

/// The integers themselves, for a result that is a tensor of integers.
fn plain(draft: &mut Draft, name: &str, x: &Operand, own: Integers) -> Result<Operand, OnnxError> {
    let mut y = Operand { integers: None, ..x.clone() };
    if (own.scale, own.zero_point) != (1.0, 0) {
        let op = Op::Restep { from: own.scale, shift: own.zero_point, to: 1.0 };
        y.id = draft.add(name, "graph output", op, vec![x.id], &[])?;
    }
    Ok(y)
}

/// A file whose declared output differs from what its nodes compute is damaged, or was misread. Names are not compared:
/// exporters give one name to different sizes.
fn check_declared(name: &str, declared: Option<&[Size]>, shape: &[usize]) -> Result<(), OnnxError> {
    let Some(sizes) = declared else { return Ok(()) };
    let agrees = sizes.len() == shape.len()
        && sizes
            .iter()
            .zip(shape)
            .all(|(declared, size)| !matches!(declared, Size::Fixed(declared) if declared != size));
    if agrees {
        return Ok(());
    }
    let expected = format!("the declared shape {}", shown(declared));
    let fault = ShapeFault { expected, got: format!("{shape:?} from the nodes") };
    Err(OnnxError::shape(name, "graph output", fault))
}

fn display_name(index: usize, node: &NodeProto) -> String {
    let output = node.output.iter().find(|output| !output.is_empty());
    match (node.name.as_str(), output) {
        ("", Some(output)) => printable(output),
        ("", None) => format!("#{index}"),
        (name, _) => printable(name),
    }
}

fn display_operator(node: &NodeProto) -> String {
    let operator = printable(&node.op_type);
    if is_standard(&node.domain) { operator } else { format!("{}.{operator}", printable(&node.domain)) }
}
