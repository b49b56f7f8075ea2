//! Models that do not import: the error has the right kind and names what is at fault.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{
    AttributeProto, FunctionProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto, TensorProto,
};

use super::models::*;
use crate::onnx::{Import, ImportOptions, OnnxError, Reference, Registry, Unsupported, import, model::Header};

fn load(model: &ModelProto) -> Result<Import, OnnxError> {
    let header = Header::read(model, &ImportOptions::default())?;
    import::build(model, &header, &Registry::standard())
}

fn unsupported(model: &ModelProto) -> Vec<Unsupported> {
    match load(model) {
        Err(OnnxError::Unsupported(list)) => list,
        other => panic!("expected unsupported nodes, got {other:?}"),
    }
}

fn is_malformed(model: &ModelProto, part: &str) {
    match load(model) {
        Err(OnnxError::Malformed { reason }) => assert!(reason.contains(part), "{reason}"),
        other => panic!("expected a malformed model ({part}), got {other:?}"),
    }
}

fn relu() -> NodeProto {
    node("Relu", &["x"], &["y"], vec![])
}

/// One node with an attribute that must be refused by name.
fn refuses_attribute(operator: &str, attribute: AttributeProto) {
    let name = attribute.name.clone();
    let (shape, constants): (&[i64], _) = match operator {
        "Conv" | "ConvTranspose" => (&[1, 2, 6, 6], vec![weights("w", &[2, 2, 3, 3])]),
        "Gemm" => (&[1, 4], vec![weights("w", &[4, 3])]),
        "Reshape" => (&[1, 2, 6, 6], vec![ints("w", &[1, 72])]),
        "BatchNormalization" => (&[1, 4], vec![weights("w", &[4])]),
        _ => (&[1, 2, 6, 6], vec![]),
    };
    let inputs: &[&str] = match operator {
        "BatchNormalization" => &["x", "w", "w", "w", "w"],
        _ if constants.is_empty() => &["x"],
        _ => &["x", "w"],
    };
    let mut attributes = vec![attribute];
    if operator.ends_with("Pool") && name != "kernel_shape" {
        attributes.push(int_list("kernel_shape", &[2, 2]));
    }
    let list = unsupported(&model(shape, vec![node(operator, inputs, &["y"], attributes)], constants));
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!((list[0].node.as_str(), list[0].operator.as_str()), ("node_y", operator));
    assert_eq!(list[0].attribute.as_deref(), Some(name.as_str()), "{list:?}");
}

#[test]
fn attribute_values_that_are_not_supported_are_named() {
    refuses_attribute("Gemm", float("alpha", f32::NAN));
    for conv in ["Conv", "ConvTranspose"] {
        refuses_attribute(conv, int("group", 0));
        refuses_attribute(conv, int_list("dilations", &[0, 1]));
        refuses_attribute(conv, text("auto_pad", "SAME"));
        refuses_attribute(conv, int_list("strides", &[0, 1]));
        refuses_attribute(conv, int_list("strides", &[1]));
        refuses_attribute(conv, int_list("strides", &[1 << 40, 1]));
        refuses_attribute(conv, int_list("pads", &[0, 0, 0, -1]));
        refuses_attribute(conv, int_list("pads", &[0, 0]));
    }
    refuses_attribute("ConvTranspose", int_list("output_padding", &[1]));
    refuses_attribute("ConvTranspose", int_list("output_shape", &[1, 2, 6, 6]));
    for pool in ["MaxPool", "AveragePool"] {
        refuses_attribute(pool, int_list("pads", &[0, 0, -1, 0]));
        refuses_attribute(pool, int_list("dilations", &[2, 0]));
        refuses_attribute(pool, text("auto_pad", "same_upper"));
        refuses_attribute(pool, int_list("kernel_shape", &[2, 2, 2]));
        refuses_attribute(pool, int_list("kernel_shape", &[0, 2]));
    }
    // A window of which no element counts has no mean.
    refuses_attribute("AveragePool", int_list("pads", &[2, 0, 0, 0]));
    refuses_attribute("BatchNormalization", int("training_mode", 1));
    refuses_attribute("BatchNormalization", int("spatial", 0));
    refuses_attribute("Cast", int("to", 7));
    refuses_attribute("Cast", int("to", 1 << 40));
    refuses_attribute("Celu", float("alpha", 0.0));
    refuses_attribute("DepthToSpace", int("blocksize", 0));
    refuses_attribute("Gelu", text("approximate", "fast"));
    refuses_attribute("Pad", text("mode", "odd"));
    refuses_attribute("Resize", text("coordinate_transformation_mode", "tf_crop"));
    refuses_attribute("Upsample", text("mode", "cubic"));
}

#[test]
fn attributes_that_became_inputs_are_refused_where_they_are_inputs() {
    refuses_attribute("Clip", float("min", 0.0));
    refuses_attribute("Pad", int_list("pads", &[0; 8]));
    refuses_attribute("ReduceSum", int_list("axes", &[1]));
    refuses_attribute("Slice", int_list("starts", &[1]));
    refuses_attribute("Split", int_list("split", &[1, 1]));
    refuses_attribute("Squeeze", int_list("axes", &[0]));
    refuses_attribute("TopK", int("k", 1));
}

#[test]
fn attributes_that_are_not_known_are_named() {
    for operator in ["Gemm", "Conv", "MaxPool", "AveragePool", "BatchNormalization", "Relu", "Add", "Flatten"] {
        refuses_attribute(operator, int("surprise", 0));
    }
    for operator in ["Reshape", "Transpose", "Identity", "Dropout"] {
        refuses_attribute(operator, int("surprise", 0));
    }
}

#[test]
fn attributes_of_another_type_are_named() {
    refuses_attribute("Conv", float("group", 1.0));
    refuses_attribute("Conv", int("strides", 1));
    refuses_attribute("Gemm", int("alpha", 1));
}

#[test]
fn a_pool_needs_the_size_of_its_window() {
    let list = unsupported(&model(&[1, 2, 6, 6], vec![node("MaxPool", &["x"], &["y"], vec![])], vec![]));
    assert_eq!(list[0].attribute.as_deref(), Some("kernel_shape"));
}

#[test]
fn everything_is_reported_at_once_and_what_follows_is_judged_by_itself() {
    let nodes = vec![
        node("Sin", &["x"], &["a"], vec![]),
        node("Relu", &["a"], &["b"], vec![]),
        node("MaxPool", &["b"], &["c"], vec![int_list("kernel_shape", &[0, 2]), int("odd", 1)]),
        node("Flatten", &["c"], &["d"], vec![]),
        node("Det", &["d"], &["y"], vec![]),
    ];
    let list = unsupported(&model(&[1, 2, 6, 6], nodes, vec![]));
    let found: Vec<_> = list.iter().map(|one| (one.node.as_str(), one.attribute.as_deref())).collect();
    let expected = [("node_a", None), ("node_c", Some("kernel_shape")), ("node_c", Some("odd")), ("node_y", None)];
    assert_eq!(found, expected);
}

#[test]
fn operands_that_are_not_supported() {
    let axis = || vec![int("axis", 1)];
    let cases = [
        (node("MatMul", &["x", "x"], &["y"], vec![]), "product of two activations"),
        (node("MatMul", &["w", "w"], &["y"], vec![]), "product of two constants"),
        (node("MatMul", &["x", "w"], &["y"], vec![]), "batch has 17 samples"),
        (node("Conv", &["x", "x"], &["y"], vec![]), "input 1 depends on the network's input"),
        (node("Gather", &["w", "x"], &["y"], vec![]), "input 1 depends on the network's input"),
        (node("Reshape", &["x", "x"], &["y"], vec![]), "input 1 depends on the network's input"),
        (node("Div", &["x", "zero"], &["y"], vec![]), "reciprocal is infinite"),
        (node("ReduceSum", &["x"], &["y"], vec![int("keepdims", 0)]), "the result is a scalar"),
        (node("Slice", &["x", "s", "s"], &["y"], vec![]), "no empty axis"),
        (node("Reshape", &["x", "long"], &["y"], vec![]), "9 axes, expected at most 8"),
        (node("ArgMax", &["w"], &["y"], axis()), "input 0 is the constant `w`"),
        (node("Identity", &["w"], &["y"], axis()), "not known for this operator"),
        (node("Dropout", &["x", "", "on"], &["y"], vec![]), "training mode"),
        (node("BatchNormalization", &["x", "v", "v", "v", "v"], &["y", "m"], vec![]), "2 outputs"),
    ];
    for (node, part) in cases {
        let on = TensorProto { data_type: DataType::Bool as i32, raw_data: vec![1], ..floats("on", &[], vec![]) };
        let constants = vec![
            weights("w", &[1, 1, 1, 4]),
            weights("v", &[1]),
            floats("zero", &[1], vec![0.0]),
            ints("s", &[2, 2]),
            ints("long", &[1, 1, 1, 1, 1, 1, 1, 1, -1]),
            on,
        ];
        let is_batch = part.contains("17");
        let node = if is_batch { NodeProto { op_type: "Conv".into(), ..node } } else { node };
        let list = unsupported(&model(&[if is_batch { 17 } else { 1 }, 1, 4, 4], vec![node], constants));
        assert!(list.len() == 1 && list[0].reason.contains(part), "{part}: {list:?}");
    }
}

#[test]
fn reshapes_that_do_not_come_out_are_refused() {
    for target in [&[-1, -1][..], &[1, 5], &[5, -1], &[1, -2], &[0, 0, 0], &[]] {
        let reshape = node("Reshape", &["x", "s"], &["y"], vec![]);
        let loaded = load(&model(&[1, 6], vec![reshape], vec![ints("s", target)]));
        assert!(matches!(loaded, Err(OnnxError::Shape { .. })), "{target:?}: {loaded:?}");
    }
    let scalar = node("Reshape", &["x", "s"], &["y"], vec![]);
    let list = unsupported(&model(&[1, 1], vec![scalar], vec![ints("s", &[])]));
    assert!(list[0].reason.contains("scalar"), "{list:?}");
}

#[test]
fn second_outputs_cannot_be_used() {
    let pool = |second: &str| node("MaxPool", &["x"], &["d", second], vec![int_list("kernel_shape", &[1, 1])]);
    let nodes = vec![pool("places"), node("Relu", &["places"], &["y"], vec![])];
    assert!(unsupported(&model(&[1, 1, 3, 3], nodes, vec![]))[0].reason.contains("second output of node `node_d`"));
    let list = unsupported(&model(&[1, 1, 3, 3], vec![pool("y")], vec![]));
    assert!(list[0].operator == "graph output" && list[0].reason.contains("second output"), "{list:?}");
}

#[test]
fn operators_of_other_domains_and_functions_are_refused() {
    let foreign = NodeProto { domain: "com.example".into(), ..relu() };
    let mut model = model(&[1, 3], vec![foreign], vec![]);
    assert_eq!(unsupported(&model)[0].operator, "com.example.Relu");
    model.graph.as_mut().unwrap().node = vec![relu()];
    model.functions = vec![FunctionProto { name: Some("Relu".into()), ..Default::default() }];
    assert!(unsupported(&model)[0].reason.contains("function"));
}

#[test]
fn sparse_constants_are_refused() {
    let mut model = model(&[1, 3], vec![relu()], vec![]);
    let sparse = SparseTensorProto { values: Some(floats("s", &[1], vec![1.0])), ..Default::default() };
    model.graph.as_mut().unwrap().sparse_initializer.push(sparse);
    assert_eq!(unsupported(&model)[0].node, "s");
}

#[test]
fn variances_that_are_not_positive_are_refused() {
    let norm = node("BatchNormalization", &["x", "g", "g", "g", "var"], &["y"], vec![]);
    let constants = vec![weights("g", &[2]), floats("var", &[2], vec![1.0, -1.0])];
    assert!(unsupported(&model(&[1, 2], vec![norm], constants))[0].reason.contains("variance"));
}

#[test]
fn graphs_that_do_not_hang_together_are_malformed() {
    is_malformed(&ModelProto { graph: None, ..model(&[1, 3], vec![], vec![]) }, "no graph");
    is_malformed(&model(&[1, 3], vec![node("Relu", &["ghost"], &["y"], vec![])], vec![]), "`ghost`");
    is_malformed(&model(&[1, 3], vec![], vec![]), "nothing defines the graph output `y`");
    is_malformed(&model(&[1, 3], vec![node("Relu", &["x"], &["y", "y"], vec![])], vec![]), "defined twice");
    is_malformed(&model(&[1, 3], vec![relu()], vec![weights("w", &[1]), weights("w", &[1])]), "defined twice");
    is_malformed(&model(&[1, 3], vec![node("Relu", &["y"], &["y"], vec![])], vec![]), "nothing before it");
    is_malformed(&model(&[1, 3], vec![node("Relu", &[], &["y"], vec![])], vec![]), "0 inputs, expected 1 to 1");
    is_malformed(&model(&[1, 3], vec![node("Add", &["", "x"], &["y"], vec![])], vec![]), "lacks input 0");
}

#[test]
fn versions_outside_the_supported_range_are_refused() {
    for version in [None, Some(6), Some(26), Some(i64::MIN)] {
        let mut model = model(&[1, 3], vec![relu()], vec![]);
        model.opset_import =
            version.map(|version| OperatorSetIdProto { version, domain: "ai.onnx".into() }).into_iter().collect();
        assert!(matches!(load(&model), Err(OnnxError::Opset { got, .. }) if got == version));
    }
    let mut model = model(&[1, 3], vec![relu()], vec![]);
    model.opset_import.push(OperatorSetIdProto { version: 9, ..Default::default() });
    is_malformed(&model, "two versions");
}

#[test]
fn one_input_and_one_output_are_required() {
    let mut none = model(&[1, 3], vec![relu()], vec![]);
    none.graph.as_mut().unwrap().input.clear();
    assert!(matches!(load(&none), Err(OnnxError::InputCount { names }) if names.is_empty()));
    let mut two = model(&[1, 3], vec![relu()], vec![]);
    two.graph.as_mut().unwrap().output.push(value("x", &[1, 3]));
    assert!(matches!(load(&two), Err(OnnxError::OutputCount { names }) if names == ["y", "x"]));
}

#[test]
fn input_shapes_that_are_not_fixed_are_refused() {
    for shape in [&[][..], &[1, 3, -1], &[1; 9]] {
        let model = model(shape, vec![relu()], vec![]);
        assert!(matches!(load(&model), Err(OnnxError::InputShape { .. })), "{shape:?}");
    }
    let mut unknown = model(&[1, 3], vec![relu()], vec![]);
    unknown.graph.as_mut().unwrap().input[0].r#type = None;
    assert!(matches!(load(&unknown), Err(OnnxError::InputShape { got, .. }) if got == "unknown"));
}

#[test]
fn shapes_that_do_not_fit_are_refused_with_both_sides() {
    let cases = [
        (node("Gemm", &["x", "w"], &["y"], vec![]), "weights for 4 inputs"),
        (node("Gemm", &["x", "w", "b"], &["y"], vec![int("transB", 1)]), "broadcasts to [1, 3]"),
        (node("Add", &["x", "b"], &["y"], vec![]), "broadcasts to [1, 4]"),
        (node("Relu", &["x"], &["y"], vec![]), "declared shape [1, 9]"),
    ];
    for (node, part) in cases {
        let constants = vec![weights("w", &[3, 4]), weights("b", &[2])];
        let mut model = model(&[1, 4], vec![node], constants);
        model.graph.as_mut().unwrap().output = vec![value("y", &[1, 9])];
        match load(&model) {
            Err(error @ OnnxError::Shape { .. }) => assert!(error.to_string().contains(part), "{error}"),
            other => panic!("{part}: {other:?}"),
        }
    }
}

#[test]
fn constants_that_are_no_numbers_or_of_another_type_are_refused() {
    let add = || vec![node("Add", &["x", "c"], &["y"], vec![])];
    let wild = model(&[1, 2], add(), vec![floats("c", &[2], vec![0.0, f32::INFINITY])]);
    assert!(matches!(load(&wild), Err(OnnxError::NonFinite { tensor, index: 1, .. }) if tensor == "c"));
    let typed = model(&[1, 2], add(), vec![ints("c", &[1, 2])]);
    assert!(matches!(load(&typed), Err(OnnxError::ElementType { tensor, .. }) if tensor == "c"));
    let mut half = model(&[1, 2], vec![relu()], vec![]);
    if let Some(tract_onnx::pb::type_proto::Value::TensorType(tensor)) =
        half.graph.as_mut().unwrap().input[0].r#type.as_mut().unwrap().value.as_mut()
    {
        tensor.elem_type = DataType::Float16 as i32;
    }
    assert!(matches!(load(&half), Err(OnnxError::ElementType { got, .. }) if got == "FLOAT16"));
}

#[test]
fn a_small_file_cannot_ask_for_much_memory() {
    let padded = int_list("pads", &[1 << 20, 1 << 20, 0, 0]);
    let conv = node("Conv", &["x", "w"], &["y"], vec![padded]);
    let huge = model(&[1, 1, 4, 4], vec![conv], vec![weights("w", &[1, 1, 3, 3])]);
    assert!(matches!(load(&huge), Err(OnnxError::TooLarge { .. })));

    // One million weights, used by three hundred layers.
    let name = |index: usize| if index == 0 { "x".to_owned() } else { format!("t{index}") };
    let mut nodes: Vec<NodeProto> =
        (0..300).map(|index| node("MatMul", &[&name(index), "w"], &[&name(index + 1)], vec![])).collect();
    nodes.push(node("Relu", &["t300"], &["y"], vec![]));
    let shared = model(&[1, 1000], nodes, vec![weights("w", &[1000, 1000])]);
    assert!(matches!(load(&shared), Err(OnnxError::TooLarge { .. })));
}

#[test]
fn sizes_that_a_node_asks_for_are_checked_before_memory_is_taken() {
    let kernel = || int_list("kernel_shape", &[2, 2]);
    let factor = |scale: f32| floats("f", &[4], vec![1.0, 1.0, scale, 1.0]);
    let list = |values: &[i64]| ints("s", values);
    let max = i64::MAX;
    let image = 1 << 27;
    let cases = [
        (node("Expand", &["x", "s"], &["y"], vec![]), list(&[image, image, 1, 1, 1])),
        (node("Expand", &["x", "s"], &["y"], vec![]), list(&[max])),
        (node("Tile", &["x", "s"], &["y"], vec![]), list(&[max, max, max, max])),
        (node("Tile", &["x", "s"], &["y"], vec![]), list(&[1, 1, 1, image])),
        (node("Pad", &["x", "s"], &["y"], vec![]), list(&[0, 0, 0, max, 0, 0, max, max])),
        (node("Pad", &["x", "s"], &["y"], vec![]), list(&[i64::MIN; 8])),
        (node("Pad", &["x", "s"], &["y"], vec![]), list(&[0, 0, image, image, 0, 0, 0, 0])),
        (node("Reshape", &["x", "s"], &["y"], vec![]), list(&[max, max])),
        (node("Unsqueeze", &["x", "s"], &["y"], vec![]), list(&[max])),
        (node("Gather", &["x", "s"], &["y"], vec![]), list(&[i64::MIN])),
        (node("Slice", &["x", "s", "s", "s"], &["y"], vec![]), list(&[i64::MIN])),
        (node("TopK", &["x", "s"], &["y"], vec![]), list(&[max])),
        (node("Resize", &["x", "", "f"], &["y"], vec![]), factor(1e30)),
        (node("Resize", &["x", "", "f"], &["y"], vec![text("mode", "linear")]), factor(1e8)),
        (node("Resize", &["x", "", "", "s"], &["y"], vec![]), list(&[1, 1, max, max])),
        (node("Upsample", &["x", "f"], &["y"], vec![]), factor(f32::MAX)),
        (node("ConvTranspose", &["x", "w"], &["y"], vec![int_list("strides", &[image, image])]), list(&[])),
        (node("ConvTranspose", &["x", "w"], &["y"], vec![int_list("dilations", &[image, image])]), list(&[])),
        (node("ConvTranspose", &["x", "w"], &["y"], vec![int_list("output_shape", &[image, image])]), list(&[])),
        (node("ConvTranspose", &["x", "w"], &["y"], vec![int_list("pads", &[image; 4])]), list(&[])),
        (node("ConvTranspose", &["x", "w"], &["y"], vec![int("group", max)]), list(&[])),
        (node("Conv", &["x", "w"], &["y"], vec![int_list("dilations", &[image, image])]), list(&[])),
        (node("Conv", &["x", "w"], &["y"], vec![int_list("pads", &[image; 4])]), list(&[])),
        (node("Conv", &["x", "w"], &["y"], vec![int("group", max)]), list(&[])),
        (node("MaxPool", &["x"], &["y"], vec![int_list("kernel_shape", &[image, image])]), list(&[])),
        (node("AveragePool", &["x"], &["y"], vec![kernel(), int_list("pads", &[image; 4])]), list(&[])),
        (node("AveragePool", &["x"], &["y"], vec![kernel(), int_list("dilations", &[image, 1])]), list(&[])),
        (node("DepthToSpace", &["x"], &["y"], vec![int("blocksize", 65535)]), list(&[])),
        (node("Flatten", &["x"], &["y"], vec![int("axis", i64::MIN)]), list(&[])),
        (node("Softmax", &["x"], &["y"], vec![int("axis", max)]), list(&[])),
    ];
    for (node, constant) in cases {
        let shown = format!("{node:?}");
        let model = model(&[1, 2, 4, 4], vec![node], vec![constant, weights("w", &[2, 2, 2, 2])]);
        let error = load(&model).map(|_| ()).expect_err(&shown);
        assert!(!error.to_string().is_empty(), "{shown}");
    }
    // The same for constants alone.
    let nodes = vec![
        node("ConstantOfShape", &["s"], &["c"], vec![]),
        node("Expand", &["c", "t"], &["d"], vec![]),
        node("Add", &["x", "d"], &["y"], vec![]),
    ];
    for (shape, target) in [(&[max, max][..], &[1][..]), (&[1 << 20, 1], &[1, 1 << 20]), (&[0, 1], &[max, max])] {
        let model = model(&[1, 2], nodes.clone(), vec![ints("s", shape), ints("t", target)]);
        assert!(load(&model).is_err(), "{shape:?} to {target:?}");
    }
}

#[test]
fn the_reference_refuses_what_the_importer_refuses() {
    let bad = model(&[1, 3], vec![node("Sin", &["x"], &["y"], vec![])], vec![]);
    assert!(matches!(Reference::from_model(bad, &ImportOptions::default()), Err(OnnxError::Unsupported(_))));
    let good = Reference::from_model(model(&[1, 3], vec![relu()], vec![]), &ImportOptions::default()).unwrap();
    let batched = ndarray::ArrayD::zeros(ndarray::IxDyn(&[1, 3]));
    assert!(matches!(good.run(&batched), Err(OnnxError::Graph(_))));
}
