//! Shapes with and without a batch axis, and sizes that the file leaves open.

use std::collections::BTreeMap;

use tract_onnx::pb::ModelProto;

use super::agreement::{agree, load};
use super::models::*;
use crate::onnx::{Import, ImportOptions, OnnxError, Reference, Registry, import, model::Header};

fn load_with(model: &ModelProto, dims: &[(&str, usize)]) -> Result<Import, OnnxError> {
    let dims: BTreeMap<String, usize> = dims.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
    import::build(model, &Header::read(model, &ImportOptions { dims })?, &Registry::standard())
}

fn relu(shape: &[i64]) -> ModelProto {
    single(shape, node("Relu", &["x"], &["y"], vec![]), vec![])
}

#[test]
fn only_a_batch_axis_of_one_is_left_out_of_the_graph() {
    for (shape, expected) in [
        (&[1, 3, 4][..], &[3, 4][..]),
        (&[3, 4, 5], &[3, 4, 5]),
        (&[5], &[5]),
        (&[1], &[1]),
        (&[1, 1], &[1]),
        (&[2, 1], &[2, 1]),
    ] {
        let Import { graph, input_shape, output_shape, batch_assumed, .. } = load(&relu(shape));
        assert_eq!((graph.input_shape(), graph.output_shape()), (expected, expected));
        assert!(input_shape.iter().eq(&output_shape) && !batch_assumed);
        agree(relu(shape));
    }
}

#[test]
fn axes_of_size_one_come_and_go() {
    let nodes = vec![
        node("Transpose", &["x"], &["a"], vec![int_list("perm", &[2, 0, 1])]),
        node("Unsqueeze", &["a", "axes"], &["b"], vec![]),
        node("Transpose", &["b"], &["c"], vec![int_list("perm", &[3, 1, 2, 0])]),
        node("Squeeze", &["c", "axes"], &["d"], vec![]),
        node("Transpose", &["d"], &["e"], vec![int_list("perm", &[1, 2, 0])]),
        node("Relu", &["e"], &["y"], vec![]),
    ];
    let model = model(&[1, 3, 4], nodes, vec![ints("axes", &[2])]);
    assert_eq!(load(&model).output_shape, [1, 4, 3]);
    agree(model);
}

#[test]
fn open_sizes_are_set_by_name() {
    // `N` stands on the first and on the last axis.
    let open = relu(&[0, 3, 0]);
    let import = load_with(&open, &[("N", 5)]).unwrap();
    assert_eq!((import.input_shape.as_slice(), import.batch_assumed), (&[5, 3, 5][..], false));
    let options = ImportOptions { dims: BTreeMap::from([("N".to_owned(), 5)]) };
    Reference::from_model(open.clone(), &options).unwrap().run(&ndarray::ArrayD::zeros(vec![5, 3, 5])).unwrap();

    let error = load_with(&open, &[]).unwrap_err();
    assert!(matches!(&error, OnnxError::OpenDimension { axis: 2, .. }), "{error}");
    assert!(error.to_string().contains("--dim N=SIZE"), "{error}");
    // A single axis is no batch axis.
    assert!(matches!(load_with(&relu(&[0]), &[]), Err(OnnxError::OpenDimension { axis: 0, .. })));
    assert_eq!(load_with(&relu(&[0]), &[("N", 2)]).unwrap().input_shape, [2]);
}

#[test]
fn sizes_for_names_that_do_not_occur_are_refused() {
    for dims in [("M", 5), ("N", 0)] {
        let error = load_with(&relu(&[0, 3]), &[dims]).unwrap_err();
        assert!(matches!(&error, OnnxError::Dimension { known, .. } if known == &["N"]), "{error}");
    }
    assert!(matches!(load_with(&relu(&[0, 3]), &[("N", usize::MAX)]), Err(OnnxError::TooLarge { .. })));
}
