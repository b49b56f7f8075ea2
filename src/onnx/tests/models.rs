//! Building blocks for models in memory.

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};

/// Float values of both signs, the same in every run.
pub fn wave(count: usize, seed: f32) -> Vec<f32> {
    (0..count).map(|index| (index as f32 * 0.83 + seed).sin()).collect()
}

pub fn floats(name: &str, dims: &[i64], values: Vec<f32>) -> TensorProto {
    let (name, dims) = (name.into(), dims.to_vec());
    TensorProto { name, dims, data_type: DataType::Float as i32, float_data: values, ..Default::default() }
}

/// A float tensor filled with a wave.
pub fn weights(name: &str, dims: &[i64]) -> TensorProto {
    let count = dims.iter().product::<i64>() as usize;
    floats(name, dims, wave(count, name.len() as f32))
}

pub fn ints(name: &str, values: &[i64]) -> TensorProto {
    int_tensor(name, &[values.len() as i64], values)
}

pub fn int_tensor(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    let (name, dims) = (name.into(), dims.to_vec());
    TensorProto { name, dims, data_type: DataType::Int64 as i32, int64_data: values.to_vec(), ..Default::default() }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() }
}

pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i, ..attribute(name, AttributeType::Int) }
}

pub fn int_list(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { ints: ints.to_vec(), ..attribute(name, AttributeType::Ints) }
}

pub fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { f, ..attribute(name, AttributeType::Float) }
}

pub fn text(name: &str, s: &str) -> AttributeProto {
    AttributeProto { s: s.as_bytes().to_vec(), ..attribute(name, AttributeType::String) }
}

pub fn tensor(name: &str, t: TensorProto) -> AttributeProto {
    AttributeProto { t: Some(t), ..attribute(name, AttributeType::Tensor) }
}

/// A node whose name is `node_` and its first output.
pub fn node(operator: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        name: format!("node_{}", outputs.first().unwrap_or(&"")),
        op_type: operator.into(),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: outputs.iter().map(|&name| name.into()).collect(),
        attribute,
        ..Default::default()
    }
}

/// A float value; a size of 0 stands for the symbol `N`.
pub fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = dims.iter().map(|&size| {
        let value = match size {
            0 => dimension::Value::DimParam("N".into()),
            size => dimension::Value::DimValue(size),
        };
        Dimension { value: Some(value), ..Default::default() }
    });
    let shape = Some(TensorShapeProto { dim: dim.collect() });
    let kind = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
    let r#type = Some(TypeProto { value: Some(type_proto::Value::TensorType(kind)), ..Default::default() });
    ValueInfoProto { name: name.into(), r#type, ..Default::default() }
}

/// A model of one node from `x` to `y`.
pub fn single(shape: &[i64], node: NodeProto, constants: Vec<TensorProto>) -> ModelProto {
    model(shape, vec![node], constants)
}

/// The same model with another version of the operators.
pub fn at_version(version: i64, mut model: ModelProto) -> ModelProto {
    model.opset_import = vec![OperatorSetIdProto { version, ..Default::default() }];
    model
}

/// A model from `x` of the given shape to `y` of any shape.
pub fn model(shape: &[i64], nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> ModelProto {
    let output = ValueInfoProto { name: "y".into(), ..Default::default() };
    let graph = GraphProto {
        node: nodes,
        initializer,
        input: vec![value("x", shape)],
        output: vec![output],
        ..Default::default()
    };
    let opset = OperatorSetIdProto { version: 13, ..Default::default() };
    ModelProto { ir_version: 8, opset_import: vec![opset], graph: Some(graph), ..Default::default() }
}
