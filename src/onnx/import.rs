//! The walk over the nodes of a model that yields the float graph.

use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::pb::{ModelProto, NodeProto};

use super::constant::Constant;
use super::context::{Built, Context, Stop, Value};
use super::error::{OnnxError, Unsupported, printable};
use super::model::{Header, declared_shape, is_standard};
use super::registry::Registry;
use crate::graph::{Graph, MAX_ELEMENTS, Node, NodeId, Op, ShapeFault, element_count};

/// An imported network and what the file said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The network, as in the file: simplify it with [`simplify`](crate::graph::rewrite::simplify).
    pub graph: Graph,
    /// Version of the standard operators that the file declares.
    pub opset: i64,
    /// Name of the graph input.
    pub input_name: String,
    /// Name of the graph output.
    pub output_name: String,
    /// Whether the file leaves the size of the batch axis open, so that 1 was taken.
    pub batch_assumed: bool,
    /// How many nodes were left out because the output does not depend on them.
    pub dropped_nodes: usize,
}

/// Builds the float graph of a decoded model.
pub(super) fn build(model: &ModelProto, header: &Header<'_>, registry: &Registry) -> Result<Import, OnnxError> {
    let mut importer = Importer::new(model, header, registry);
    importer.read_constants()?;
    importer.add_input()?;
    for (index, node) in header.graph.node.iter().enumerate() {
        if header.live.get(index) == Some(&true) {
            importer.import_node(index, node)?;
        }
    }
    let output = importer.finish()?;
    let graph = Graph { nodes: importer.nodes, input: 0, output };
    graph.check()?;
    Ok(Import {
        graph,
        opset: header.opset,
        input_name: printable(header.input),
        output_name: printable(&header.output.name),
        batch_assumed: header.batch_assumed,
        dropped_nodes: header.live.iter().filter(|&&live| !live).count(),
    })
}

struct Importer<'a> {
    model: &'a ModelProto,
    header: &'a Header<'a>,
    registry: &'a Registry,
    values: HashMap<&'a str, Value>,
    nodes: Vec<Node>,
    refused: Vec<Unsupported>,
    /// Elements of all constants, and of all parameters and values of the graph. They are counted so that a small
    /// file cannot ask for much memory.
    constant_elements: usize,
    graph_elements: usize,
}

impl<'a> Importer<'a> {
    fn new(model: &'a ModelProto, header: &'a Header<'a>, registry: &'a Registry) -> Self {
        Self {
            model,
            header,
            registry,
            values: HashMap::new(),
            nodes: Vec::new(),
            refused: Vec::new(),
            constant_elements: 0,
            graph_elements: 0,
        }
    }

    fn read_constants(&mut self) -> Result<(), OnnxError> {
        for tensor in &self.header.graph.initializer {
            let constant = Constant::read(tensor, &tensor.name)?;
            charge(&mut self.constant_elements, element_count(&constant.shape), "the constants come")?;
            self.define(&tensor.name, Value::Constant(Arc::new(constant)))?;
        }
        Ok(())
    }

    fn add_input(&mut self) -> Result<(), OnnxError> {
        let shape = self.header.input_shape.clone();
        let input = self.add_node(printable(self.header.input), "graph input", Op::Input, vec![], &shape)?;
        self.define(self.header.input, input)
    }

    /// Gives a tensor name its value; every name has one.
    fn define(&mut self, name: &'a str, value: Value) -> Result<(), OnnxError> {
        match self.values.insert(name, value) {
            None => Ok(()),
            Some(_) => Err(OnnxError::malformed(format!("tensor `{}` is defined twice", printable(name)))),
        }
    }

    fn add_node(
        &mut self,
        name: String,
        operator: &str,
        op: Op,
        inputs: Vec<NodeId>,
        declared: &[usize],
    ) -> Result<Value, OnnxError> {
        let shapes: Vec<&[usize]> =
            inputs.iter().filter_map(|&id| self.nodes.get(id)).map(|node| node.shape.as_slice()).collect();
        let shape = op.result_shape(&shapes, declared).map_err(|fault| OnnxError::shape(&name, operator, fault))?;
        let elements = element_count(&shape).and_then(|count| count.checked_add(op.parameter_count()));
        let what = format!("node `{name}` ({operator}) yields shape {shape:?} and brings the network");
        charge(&mut self.graph_elements, elements, &what)?;
        let id = self.nodes.len();
        self.nodes.push(Node { name, op, inputs, shape: shape.clone() });
        Ok(Value::Activation { id, shape })
    }

    fn import_node(&mut self, index: usize, node: &'a NodeProto) -> Result<(), OnnxError> {
        let name = display_name(index, node);
        let operator = display_operator(node);
        let inputs = self.inputs(node, &name)?;
        let built = match self.builder(node) {
            Err(reason) => {
                self.refused.push(Unsupported { node: name.clone(), operator, attribute: None, reason });
                Value::Refused
            }
            Ok(builder) => {
                let mut context = Context::new(node, name.clone(), operator, inputs);
                match builder(&mut context) {
                    Ok(built) => self.accept(built, &context)?,
                    Err(Stop::Fatal(error)) => return Err(error),
                    Err(Stop::Upstream | Stop::Refused) => {
                        self.refused.extend(context.into_refused());
                        Value::Refused
                    }
                }
            }
        };
        let side = match built {
            Value::Refused => Value::Refused,
            _ => Value::SideOutput { producer: name },
        };
        let mut values = std::iter::once(built).chain(std::iter::repeat(side));
        for output in &node.output {
            let value = values.next().unwrap_or(Value::Refused);
            if !output.is_empty() {
                self.define(output, value)?;
            }
        }
        Ok(())
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
        builder.ok_or_else(|| {
            let known: Vec<&str> = self.registry.operators().collect();
            format!("the operator is not supported; replace it by supported ones: {}", known.join(", "))
        })
    }

    fn accept(&mut self, built: Built, context: &Context<'_>) -> Result<Value, OnnxError> {
        match built {
            Built::Node { op, inputs, shape } => {
                self.add_node(context.name.clone(), &context.operator, *op, inputs, &shape)
            }
            Built::Same(Value::Constant(constant)) => {
                // A constant that nobody else holds was made by this node.
                if Arc::strong_count(&constant) == 1 {
                    charge(&mut self.constant_elements, element_count(&constant.shape), "the constants come")?;
                }
                Ok(Value::Constant(constant))
            }
            Built::Same(value) => Ok(value),
        }
    }

    /// Reports what was refused, or finds the output.
    fn finish(&mut self) -> Result<NodeId, OnnxError> {
        if !self.refused.is_empty() {
            return Err(OnnxError::Unsupported(std::mem::take(&mut self.refused)));
        }
        let output = self.header.output;
        let name = printable(&output.name);
        match self.values.get(output.name.as_str()) {
            Some(Value::Activation { id, shape }) => {
                check_declared(&name, declared_shape(output).as_deref(), shape)?;
                Ok(*id)
            }
            Some(_) => Err(OnnxError::Unsupported(vec![Unsupported {
                node: name,
                operator: "graph output".into(),
                attribute: None,
                reason: "it does not depend on the network's input, expected one that does; choose another output"
                    .into(),
            }])),
            None => Err(OnnxError::malformed(format!("nothing defines the graph output `{name}`"))),
        }
    }
}

/// A file whose declared output differs from what its nodes compute is damaged, or was misread.
fn check_declared(name: &str, declared: Option<&[Option<usize>]>, shape: &[usize]) -> Result<(), OnnxError> {
    let Some((_, sizes)) = declared.and_then(|declared| declared.split_first()) else { return Ok(()) };
    let agrees = sizes.len() == shape.len()
        && sizes.iter().zip(shape).all(|(declared, &size)| declared.is_none_or(|declared| declared == size));
    if agrees {
        return Ok(());
    }
    let fault = ShapeFault {
        expected: format!("the declared shape {:?} behind the batch axis", sizes.get(..8).unwrap_or(sizes)),
        got: format!("{shape:?} from the nodes"),
    };
    Err(OnnxError::shape(name, "graph output", fault))
}

/// Adds to a total that may not pass the limit; `what` and the new total make the message.
fn charge(total: &mut usize, elements: Option<usize>, what: &str) -> Result<(), OnnxError> {
    let sum = elements.and_then(|elements| total.checked_add(elements));
    *total = sum.filter(|&sum| sum <= MAX_ELEMENTS).ok_or_else(|| OnnxError::TooLarge {
        what: format!("{what} to {} elements", sum.map_or("more than 2^64".to_owned(), |sum| sum.to_string())),
        limit: format!("{MAX_ELEMENTS} elements"),
    })?;
    Ok(())
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
