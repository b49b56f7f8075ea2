//! ONNX's own operators over integers, on the standard's cases where it has one.

use super::*;

#[test]
fn a_quantised_convolution_is_the_one_of_the_standard() {
    // The case `qlinearconv` of ONNX, of which a part is used.
    let image: Vec<i32> = vec![255, 174, 162, 25, 203, 168, 58, 15, 59];
    let nodes = vec![node("QLinearConv", &["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"], &["y"], vec![])];
    let constants = vec![
        scalar("sx", 0.003_692_047_2),
        point("zx", DataType::Uint8, 132),
        small("w", DataType::Uint8, &[1, 1, 1, 1], &[0]),
        floats("sw", &[1], vec![0.001_727_602_5]),
        small("zw", DataType::Uint8, &[1], &[255]),
        scalar("sy", 0.001_627_115_6),
        point("zy", DataType::Uint8, 123),
    ];
    let model = with_input(DataType::Uint8, model(&[1, 1, 3, 3], nodes, constants));
    let x: Vec<f32> = image.iter().map(|&q| q as f32).collect();
    let expected: Vec<f32> = [0, 81, 93, 230, 52, 87, 197, 240, 196].map(|q: i32| q as f32).to_vec();
    assert_eq!(run_on(&model, &x).iter().copied().collect::<Vec<_>>(), expected);
    assert_eq!(names(&load(&model).graph), ["Input", "Quantise", "Restep", "IntegerConv", "Quantise", "Restep"]);
}

#[test]
fn a_quantised_convolution_has_channels_and_a_bias() {
    let attributes = vec![int("group", 2), int_list("strides", &[2])];
    let nodes = vec![node("QLinearConv", &["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", "b"], &["y"], attributes)];
    let constants = vec![
        scalar("sx", 0.5),
        point("zx", DataType::Int8, 1),
        small("w", DataType::Int8, &[2, 1, 2], &[3, -4, 5, 6]),
        floats("sw", &[2], vec![0.25, 2.0]),
        small("zw", DataType::Int8, &[2], &[0, 1]),
        scalar("sy", 0.25),
        point("zy", DataType::Int8, -2),
        small("b", DataType::Int32, &[2], &[7, -9]),
    ];
    let model = with_input(DataType::Int8, model(&[1, 2, 4], nodes, constants));
    // Of the first channel: (-9, 1, 2, 3) and 3, -4: -31 + 7 and -6 + 7, times 0.125, over 0.25, less 2.
    // Of the second: (-1, 0, 4, 9) and 4, 5: -4 - 9 and 61 - 9, times 1, over 0.25, less 2, up to 127.
    let y = run_on(&model, &[-8.0, 2.0, 3.0, 4.0, 0.0, 1.0, 5.0, 10.0]);
    assert_eq!(y, array![[[-14.0, -2.0], [-54.0, 127.0]]].into_dyn());
}

#[test]
fn integer_convolutions_sum_integers() {
    // The cases `basic_convinteger` and `convinteger_with_padding` of ONNX.
    let x: Vec<f32> = (2..11).map(|q| q as f32).collect();
    let constants = || vec![small("w", DataType::Uint8, &[1, 1, 2, 2], &[1; 4]), point("z", DataType::Uint8, 1)];
    let build = |attributes| {
        let nodes = vec![node("ConvInteger", &["x", "w", "z"], &["y"], attributes)];
        with_input(DataType::Uint8, model(&[1, 1, 3, 3], nodes, constants()))
    };
    let y = run_on(&build(vec![]), &x);
    assert_eq!(y, array![[[[12.0, 16.0], [24.0, 28.0]]]].into_dyn());
    let y = run_on(&build(vec![int_list("pads", &[1; 4])]), &x);
    let expected =
        array![[1.0, 3.0, 5.0, 3.0], [5.0, 12.0, 16.0, 9.0], [11.0, 24.0, 28.0, 15.0], [7.0, 15.0, 17.0, 9.0]];
    assert_eq!(y, expected.into_shape_with_order(IxDyn(&[1, 1, 4, 4])).unwrap());
    // The sums may be scaled by hand.
    let nodes = vec![
        node("ConvInteger", &["x", "w"], &["c"], vec![]),
        node("Cast", &["c"], &["f"], vec![int("to", 1)]),
        node("Mul", &["f", "s"], &["y"], vec![]),
    ];
    let constants = vec![small("w", DataType::Int8, &[1, 1, 3, 3], &[1, 0, 0, 0, 0, 0, 0, 0, -3]), scalar("s", 0.5)];
    let model = with_input(DataType::Uint8, model(&[1, 1, 3, 3], nodes, constants));
    assert_eq!(run_on(&model, &x), array![[[[-14.0]]]].into_dyn());
}

#[test]
fn integer_products_are_those_of_the_standard() {
    // The case `matmulinteger` of ONNX.
    let nodes = vec![node("MatMulInteger", &["x", "b", "za", "zb"], &["y"], vec![])];
    let constants = vec![
        small("b", DataType::Uint8, &[3, 2], &[1, 4, 2, 5, 3, 6]),
        small("za", DataType::Uint8, &[1], &[12]),
        small("zb", DataType::Uint8, &[1], &[0]),
    ];
    let model = with_input(DataType::Uint8, model(&[4, 3], nodes, constants));
    let x = [11.0, 7.0, 3.0, 10.0, 6.0, 2.0, 9.0, 5.0, 1.0, 8.0, 4.0, 0.0];
    let expected = array![[-38.0, -83.0], [-44.0, -98.0], [-50.0, -113.0], [-56.0, -128.0]].into_dyn();
    assert_eq!(run_on(&model, &x), expected);
}

#[test]
fn quantised_products_are_those_of_the_standard() {
    // The case `qlinearmatmul_2D_uint8_float32` of ONNX, and one scale for each column.
    let a = [208.0, 236.0, 0.0, 238.0, 3.0, 214.0, 255.0, 29.0];
    let b = [152, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247];
    let build = |scales: &[f32]| {
        let inputs = ["x", "sa", "za", "b", "sb", "zb", "sy", "zy"];
        let dims: &[i64] = if scales.len() == 1 { &[1] } else { &[3] };
        let constants = vec![
            floats("sa", &[1], vec![0.0066]),
            small("za", DataType::Uint8, &[1], &[113]),
            small("b", DataType::Uint8, &[4, 3], &b),
            floats("sb", dims, scales.to_vec()),
            small("zb", DataType::Uint8, dims, &vec![114; scales.len()]),
            floats("sy", &[1], vec![0.0107]),
            small("zy", DataType::Uint8, &[1], &[118]),
        ];
        with_input(DataType::Uint8, model(&[2, 4], vec![node("QLinearMatMul", &inputs, &["y"], vec![])], constants))
    };
    assert_eq!(run_on(&build(&[0.00705]), &a), array![[168.0, 115.0, 255.0], [1.0, 66.0, 151.0]].into_dyn());
    let halved = run_on(&build(&[0.00705, 0.003_525, 0.00705]), &a);
    assert_eq!(halved, array![[168.0, 116.0, 255.0], [1.0, 92.0, 151.0]].into_dyn());
}

#[test]
fn several_quantised_products_at_once() {
    // The case `qlinearmatmul_3D_uint8_float16` of ONNX: the same twice, with scales of half precision.
    let a = [208.0, 236.0, 0.0, 238.0, 3.0, 214.0, 255.0, 29.0];
    let b = [152, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247];
    let halves = |name: &str, bits| small(name, DataType::Float16, &[1], &[bits]);
    let inputs = ["x", "sa", "za", "b", "sb", "zb", "sy", "zy"];
    for dims in [&[2i64, 4, 3][..], &[1, 2, 4, 3], &[2, 1, 4, 3]] {
        let constants = vec![
            // 0.0066, 0.00705 and 0.0107.
            halves("sa", 0x1ec2),
            small("za", DataType::Uint8, &[1], &[113]),
            small("b", DataType::Uint8, dims, &[b, b].concat()),
            halves("sb", 0x1f38),
            small("zb", DataType::Uint8, &[1], &[114]),
            halves("sy", 0x217a),
            small("zy", DataType::Uint8, &[1], &[118]),
        ];
        let model = model(&[2, 2, 4], vec![node("QLinearMatMul", &inputs, &["y"], vec![])], constants);
        let y = run_on(&with_input(DataType::Uint8, model), &[a, a].concat());
        let repeats = y.len() / 6;
        let expected = [168.0, 115.0, 255.0, 1.0, 66.0, 151.0].repeat(repeats);
        assert_eq!(y.iter().copied().collect::<Vec<_>>(), expected);
        assert_eq!(repeats, if dims == [2, 1, 4, 3] { 4 } else { 2 });
    }
}
