//! Elements that go elsewhere: slices, joins, paddings, repeats and resizes.

use tract_onnx::pb::{AttributeProto, TensorProto};

use super::agreement::{agree, load, one, run};
use super::models::*;

#[test]
fn slices_with_steps_of_either_sign() {
    let slice = |starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]| {
        let constants = vec![ints("s", starts), ints("e", ends), ints("a", axes), ints("t", steps)];
        one(&[2, 5, 6], node("Slice", &["x", "s", "e", "a", "t"], &["y"], vec![]), constants);
    };
    slice(&[1, -3], &[4, i64::MAX], &[1, 2], &[2, 1]);
    slice(&[-1, 4], &[i64::MIN, 0], &[2, 1], &[-2, -1]);
    slice(&[1], &[2], &[0], &[1]);
    let attributes = vec![int_list("starts", &[1, 0]), int_list("ends", &[3, -1]), int_list("axes", &[1, 2])];
    agree(at_version(9, single(&[1, 5, 6], node("Slice", &["x"], &["y"], attributes), vec![])));
}

#[test]
fn splits_of_every_version() {
    let joined = |version: i64, split: Vec<AttributeProto>, sizes: Option<&[i64]>, parts: &[&str]| {
        let inputs: &[&str] = if sizes.is_some() { &["x", "sizes"] } else { &["x"] };
        let turned: Vec<&str> = parts.iter().rev().copied().filter(|part| !part.is_empty()).collect();
        let nodes = vec![node("Split", inputs, parts, split), node("Concat", &turned, &["y"], vec![int("axis", 1)])];
        let constants: Vec<TensorProto> = sizes.iter().map(|sizes| ints("sizes", sizes)).collect();
        agree(at_version(version, model(&[1, 6, 2], nodes, constants)));
    };
    joined(11, vec![int("axis", 1)], None, &["a", "b", "c"]);
    joined(11, vec![int("axis", -2), int_list("split", &[1, 5])], None, &["a", "b"]);
    joined(13, vec![int("axis", 1)], Some(&[2, 1, 3]), &["a", "b", "c"]);
    // Parts of 2 each, and no rest.
    joined(18, vec![int("axis", 1), int("num_outputs", 3)], None, &["a", "b", "c"]);
}

#[test]
fn joins_of_activations_and_constants() {
    for (shape, axis) in [([1, 3, 4], 0), ([1, 3, 4], 2), ([2, 3, 4], -2)] {
        let nodes = vec![
            node("Relu", &["x"], &["r"], vec![]),
            node("Concat", &["c", "x", "r", "ones"], &["y"], vec![int("axis", axis)]),
        ];
        let ones = floats("ones", &shape, vec![1.0; shape.iter().product::<i64>() as usize]);
        agree(model(&shape, nodes, vec![weights("c", &shape), ones]));
    }
}

#[test]
fn entries_by_index() {
    let gather = |axis: i64, dims: &[i64], indices: &[i64]| {
        let gather = node("Gather", &["x", "i"], &["y"], vec![int("axis", axis)]);
        one(&[1, 4, 3], gather, vec![int_tensor("i", dims, indices)])
    };
    gather(0, &[2], &[0, -1]);
    gather(1, &[2, 2], &[-1, 0, 2, 2]);
    gather(2, &[1, 2], &[2, -3]);
    assert_eq!(gather(-1, &[], &[1]), ["Input", "Take", "Reshape"]);
}

#[test]
fn paddings() {
    for mode in ["constant", "reflect", "edge"] {
        let inputs: &[&str] = if mode == "constant" { &["x", "p", "v"] } else { &["x", "p"] };
        let pad = node("Pad", inputs, &["y"], vec![text("mode", mode)]);
        one(&[1, 2, 4, 5], pad, vec![ints("p", &[0, 0, 2, 1, 0, 0, 1, 3]), floats("v", &[], vec![1.5])]);
        let attributes = vec![text("mode", mode), int_list("pads", &[0, 1, 0, 0, 1, 2])];
        agree(at_version(10, single(&[1, 3, 4], node("Pad", &["x"], &["y"], attributes), vec![])));
    }
    let pads = vec![ints("p", &[1, 1]), ints("a", &[-1])];
    let wrap = node("Pad", &["x", "p", "", "a"], &["y"], vec![text("mode", "wrap")]);
    let y = run(&at_version(19, single(&[1, 3], wrap, pads)));
    let x: Vec<f32> = y.iter().copied().collect();
    assert_eq!((y.shape(), x[0], x[4]), (&[1, 5][..], x[3], x[1]));
    let cut = single(&[1, 5, 4], node("Pad", &["x", "p"], &["y"], vec![]), vec![ints("p", &[0, -2, 1, 0, 0, -1])]);
    assert_eq!(load(&cut).output_shape, [1, 3, 4]);
}

#[test]
fn repeats() {
    for target in [&[2, 3, 4][..], &[3, 1], &[5, 1, 1, 1], &[1]] {
        one(&[1, 3, 4], node("Expand", &["x", "s"], &["y"], vec![]), vec![ints("s", target)]);
    }
    one(&[1, 3, 2], node("Tile", &["x", "s"], &["y"], vec![]), vec![ints("s", &[2, 1, 3])]);
}

#[test]
fn blocks_of_pixels() {
    for mode in ["DCR", "CRD"] {
        let attributes = vec![int("blocksize", 2), text("mode", mode)];
        one(&[2, 8, 3, 2], node("DepthToSpace", &["x"], &["y"], attributes), vec![]);
    }
    one(&[1, 2, 6, 4], node("SpaceToDepth", &["x"], &["y"], vec![int("blocksize", 2)]), vec![]);
}

#[test]
fn resizes() {
    let resize = |mode: &str, coordinates: &str, scales: [f32; 4]| {
        let attributes = vec![
            text("mode", mode),
            text("coordinate_transformation_mode", coordinates),
            text("nearest_mode", "floor"),
        ];
        let resize = node("Resize", &["x", "", "s"], &["y"], attributes);
        one(&[1, 2, 4, 6], resize, vec![floats("s", &[4], scales.to_vec())])
    };
    for mode in ["nearest", "linear"] {
        for coordinates in ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"] {
            resize(mode, coordinates, [1.0, 1.0, 2.0, 0.5]);
            resize(mode, coordinates, [1.0, 1.0, 1.5, 3.0]);
        }
    }
    assert_eq!(resize("nearest", "asymmetric", [1.0, 1.0, 2.0, 1.0]), ["Input", "Take"]);
    let upsample = |version: i64, mode: &str| {
        let scales = floats("s", &[4], vec![1.0, 1.0, 2.0, 3.0]);
        let attributes = vec![text("mode", mode)];
        let upsample = node("Upsample", &["x", "s"], &["y"], attributes);
        run(&at_version(version, single(&[1, 1, 2, 3], upsample, vec![scales]))).shape().to_vec()
    };
    assert_eq!(upsample(9, "nearest"), [1, 1, 4, 9]);
    assert_eq!(upsample(9, "linear"), [1, 1, 4, 9]);
}
