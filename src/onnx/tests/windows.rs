//! Convolutions and pools over one to three axes.

use ndarray::{ArrayD, IxDyn};
use tract_onnx::pb::AttributeProto;

use super::agreement::{assert_close, input, load, one, run};
use super::models::*;

/// A convolution of the shapes of its operands, with a bias.
fn conv(operator: &str, x: &[i64], w: &[i64], outputs: i64, attributes: Vec<AttributeProto>) {
    let conv = node(operator, &["x", "w", "b"], &["y"], attributes);
    one(x, conv, vec![weights("w", w), weights("b", &[outputs])]);
}

#[test]
fn convolutions_over_signals_and_images() {
    let list = int_list;
    conv("Conv", &[1, 2, 9], &[3, 2, 3], 3, vec![list("strides", &[2]), list("pads", &[2, 1])]);
    conv("Conv", &[1, 4, 9], &[6, 2, 2], 6, vec![int("group", 2), list("dilations", &[3])]);
    conv("Conv", &[1, 4, 7, 6], &[4, 1, 3, 3], 4, vec![int("group", 4), list("pads", &[1, 1, 1, 1])]);
    conv("Conv", &[1, 4, 9, 8], &[6, 2, 2, 3], 6, vec![int("group", 2), list("dilations", &[3, 2])]);
    conv("Conv", &[3, 2, 5, 4], &[3, 2, 2, 2], 3, vec![list("strides", &[2, 1])]);
    for mode in ["VALID", "SAME_UPPER", "SAME_LOWER"] {
        let attributes = || vec![text("auto_pad", mode), list("strides", &[2, 3]), list("dilations", &[2, 1])];
        conv("Conv", &[1, 2, 8, 9], &[3, 2, 3, 2], 3, attributes());
    }
}

#[test]
fn convolutions_over_volumes() {
    let list = int_list;
    conv("Conv", &[1, 2, 4, 5, 6], &[3, 2, 2, 3, 2], 3, vec![]);
    conv("Conv", &[1, 2, 4, 5, 6], &[3, 2, 3, 3, 3], 3, vec![list("pads", &[1; 6])]);
    conv("Conv", &[1, 2, 7, 8, 5], &[3, 2, 3, 2, 3], 3, vec![list("strides", &[2, 3, 2])]);
    conv(
        "Conv",
        &[2, 4, 5, 7, 6],
        &[6, 2, 2, 3, 2],
        6,
        vec![
            int("group", 2),
            list("strides", &[1, 2, 1]),
            list("dilations", &[3, 2, 4]),
            list("pads", &[2, 3, 0, 1, 0, 1]),
        ],
    );
    // More padding than image, and rows that no window reads.
    conv(
        "Conv",
        &[1, 1, 2, 6, 2],
        &[1, 1, 2, 1, 2],
        1,
        vec![list("strides", &[1, 4, 1]), list("pads", &[1, 3, 0, 2, 2, 0])],
    );
    conv("Conv", &[1, 1, 3, 2, 2], &[2, 1, 3, 4, 1], 2, vec![list("pads", &[1, 3, 0, 1, 3, 0])]);
    conv(
        "Conv",
        &[1, 2, 5, 6, 7],
        &[1, 2, 3, 2, 3],
        1,
        vec![text("auto_pad", "SAME_UPPER"), list("strides", &[2, 2, 3])],
    );
}

#[test]
fn transposed_convolutions() {
    let list = int_list;
    conv("ConvTranspose", &[1, 2, 5], &[2, 3, 3], 3, vec![list("strides", &[2]), list("pads", &[1, 0])]);
    conv("ConvTranspose", &[1, 2, 3, 4], &[2, 3, 3, 2], 3, vec![]);
    conv("ConvTranspose", &[2, 4, 3, 4], &[4, 3, 2, 3], 6, vec![int("group", 2), list("strides", &[3, 2])]);
    conv(
        "ConvTranspose",
        &[1, 2, 4, 3],
        &[2, 1, 3, 3],
        1,
        vec![list("strides", &[2, 2]), list("pads", &[1, 2, 1, 0]), list("output_padding", &[1, 0])],
    );
    conv(
        "ConvTranspose",
        &[1, 2, 4, 3],
        &[2, 2, 2, 3],
        2,
        vec![list("dilations", &[3, 2]), list("pads", &[2, 0, 1, 3])],
    );
    conv("ConvTranspose", &[1, 2, 2, 3, 2], &[2, 2, 2, 2, 3], 2, vec![list("strides", &[2, 1, 3])]);
}

/// The definition on one axis: each element adds the kernel to the result from `i stride - before` on.
fn scattered(x: &ArrayD<f32>, w: &[f32], stride: usize, before: usize, length: usize) -> ArrayD<f32> {
    let mut y = ArrayD::zeros(IxDyn(&[1, 1, length]));
    for (i, x) in x.iter().enumerate() {
        for (t, w) in w.iter().enumerate() {
            if let Some(y) = (i * stride + t).checked_sub(before).and_then(|at| y.get_mut([0, 0, at])) {
                *y += x * w;
            }
        }
    }
    y
}

#[test]
fn transposed_convolutions_to_a_given_shape_and_with_padding_beyond_the_kernel() {
    let w = weights("w", &[1, 1, 3]);
    let cases = [
        (2, vec![int_list("pads", &[3, 4])], 3, 4),
        (2, vec![int_list("output_shape", &[10])], 1, 10),
        (2, vec![int_list("output_shape", &[8])], 2, 8),
        (2, vec![int_list("output_shape", &[8]), text("auto_pad", "SAME_UPPER")], 1, 8),
        (2, vec![int_list("output_shape", &[15])], 0, 15),
        (3, vec![text("auto_pad", "SAME_LOWER")], 0, 15),
        (2, vec![text("auto_pad", "SAME_LOWER")], 1, 10),
        (2, vec![text("auto_pad", "SAME_UPPER")], 0, 10),
    ];
    for (stride, mut attributes, before, length) in cases {
        attributes.push(int_list("strides", &[stride]));
        let shown = format!("{attributes:?}");
        let model = single(&[1, 1, 5], node("ConvTranspose", &["x", "w"], &["y"], attributes), vec![w.clone()]);
        let x = input(&load(&model).graph);
        let expected = scattered(&x, &w.float_data, stride as usize, before, length);
        assert_eq!(run(&model).shape(), expected.shape(), "{shown}");
        assert_close(&run(&model), &expected);
    }
}

#[test]
fn pools_of_every_rank_with_padding() {
    let list = int_list;
    for operator in ["MaxPool", "AveragePool"] {
        let cases = [
            (&[1, 2, 9][..], vec![list("kernel_shape", &[3]), list("strides", &[2]), list("pads", &[1, 2])]),
            (&[2, 3, 5, 6], vec![list("kernel_shape", &[3, 2]), list("pads", &[1, 1, 2, 0])]),
            (
                &[1, 2, 6, 7],
                vec![list("kernel_shape", &[3, 2]), text("auto_pad", "SAME_UPPER"), list("strides", &[2, 3])],
            ),
            (
                &[1, 2, 6, 7],
                vec![list("kernel_shape", &[2, 4]), text("auto_pad", "SAME_LOWER"), list("strides", &[1, 3])],
            ),
            (
                &[1, 2, 5, 6, 7],
                vec![list("kernel_shape", &[2, 3, 2]), list("strides", &[1, 2, 3]), list("pads", &[1, 0, 1, 0, 1, 0])],
            ),
        ];
        for (shape, attributes) in cases {
            one(shape, node(operator, &["x"], &["y"], attributes.clone()), vec![]);
            if operator == "AveragePool" {
                let counted = [attributes, vec![int("count_include_pad", 1)]].concat();
                one(shape, node(operator, &["x"], &["y"], counted), vec![]);
            }
        }
    }
}

/// Windows on one axis by the definition: `start + t dilation` for as long as a window starts before the padding behind
/// the axis. The padding counts as far as it was asked for.
fn pooled(x: &[f32], [kernel, stride, dilation, before, after]: [i64; 5], is_max: bool, counts: bool) -> Vec<f32> {
    let length = x.len() as i64;
    let windows = (length + before + after - dilation * (kernel - 1) - 1 + stride - 1) / stride + 1;
    let starts = (0..windows).map(|index| index * stride - before).filter(|&start| start < length);
    starts
        .map(|start| {
            let places: Vec<i64> = (0..kernel).map(|t| start + t * dilation).collect();
            let inside: Vec<f32> =
                places.iter().filter(|place| (0..length).contains(*place)).map(|&place| x[place as usize]).collect();
            let padding = places.iter().filter(|&&place| place < length + after).count();
            match is_max {
                true => inside.iter().copied().fold(f32::MIN, f32::max),
                false => inside.iter().sum::<f32>() / if counts { padding } else { inside.len() } as f32,
            }
        })
        .collect()
}

#[test]
fn windows_that_hang_over_and_have_gaps() {
    for (length, [kernel, stride, dilation, before, after]) in
        [(8, [3, 2, 1, 0, 0]), (7, [3, 2, 2, 0, 0]), (9, [2, 4, 3, 1, 0]), (6, [2, 3, 1, 1, 1]), (10, [3, 4, 2, 2, 1])]
    {
        for (operator, counts) in [("MaxPool", false), ("AveragePool", false), ("AveragePool", true)] {
            let mut attributes = vec![
                int_list("kernel_shape", &[kernel]),
                int_list("strides", &[stride]),
                int_list("dilations", &[dilation]),
                int_list("pads", &[before, after]),
                int("ceil_mode", 1),
            ];
            if counts {
                attributes.push(int("count_include_pad", 1));
            }
            let model = at_version(19, single(&[1, 1, length], node(operator, &["x"], &["y"], attributes), vec![]));
            let x = input(&load(&model).graph);
            let lines = [kernel, stride, dilation, before, after];
            let expected = pooled(x.as_slice().unwrap(), lines, operator == "MaxPool", counts);
            let expected = ArrayD::from_shape_vec(IxDyn(&[1, 1, expected.len()]), expected).unwrap();
            assert_close(&run(&model), &expected);
        }
    }
}

#[test]
fn a_mean_whose_windows_count_alike_needs_no_correction() {
    let attributes = vec![int_list("kernel_shape", &[3, 1]), int_list("pads", &[1, 0, 1, 0])];
    let pool = node("AveragePool", &["x"], &["y"], attributes);
    assert_eq!(one(&[1, 2, 1, 4], pool, vec![]), ["Input", "SumPool"]);
}

#[test]
fn global_pools_over_any_number_of_axes() {
    for operator in ["GlobalAveragePool", "GlobalMaxPool"] {
        for shape in [&[1, 3, 7][..], &[1, 3, 4, 5], &[2, 3, 4, 2], &[1, 2, 3, 4, 5]] {
            one(shape, node(operator, &["x"], &["y"], vec![]), vec![]);
        }
    }
    let pool = node("GlobalAveragePool", &["x"], &["y"], vec![]);
    assert_eq!(one(&[1, 3, 4, 5], pool, vec![]), ["Input", "SumPool"]);
}
