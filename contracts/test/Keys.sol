// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {FIXED_COMMITMENTS, MACHINE_VERSION, PERMUTATION_COMMITMENTS, PROOF_TAG} from "../MachineShape.sol";

/// @notice A tensor in a key, and what a verifier sees of it.
struct Tensor {
    uint8 visibility;
    uint64[] shape;
    int64 lo;
    int64 hi;
    uint64 scale;
}

/// @notice A key, field by field. `room` is the number of lanes that the program is for.
struct Key {
    bytes20 domain;
    uint16 version;
    bytes4 tag;
    uint8 k;
    bytes32 srsId;
    uint8 insecure;
    uint32 fixedCount;
    bytes fixedPoints;
    uint32 permutationCount;
    bytes permutationPoints;
    uint32 words;
    uint256 digest;
    Tensor input;
    Tensor output;
    uint32 room;
    bytes20 weightsDomain;
    uint8 secret;
    uint32 laneCount;
    bytes lanes;
}

/// @title Keys of models that no program made
library Keys {
    /// @dev What a verifier sees of a tensor.
    uint8 internal constant PUBLIC = 0;
    uint8 internal constant COMMITTED = 1;
    uint8 internal constant PRIVATE = 2;
    uint8 internal constant GIVEN = 3;

    /// @notice A small key that is well-formed: two tensors of one element, all commitments of the program at infinity.
    function small(bytes32 srsId, uint8 secret, bytes memory lanes) internal pure returns (Key memory key) {
        key.domain = "inferproof/program/1";
        key.version = MACHINE_VERSION;
        key.tag = PROOF_TAG;
        key.k = 4;
        key.srsId = srsId;
        key.insecure = 1;
        key.fixedCount = uint32(FIXED_COMMITMENTS);
        key.fixedPoints = new bytes(64 * FIXED_COMMITMENTS);
        key.permutationCount = uint32(PERMUTATION_COMMITMENTS);
        key.permutationPoints = new bytes(64 * PERMUTATION_COMMITMENTS);
        key.words = 2;
        key.digest = 0xd16e57;
        key.input = tensor(1, 0, 1);
        key.output = tensor(1, 0, 1);
        key.room = uint32(lanes.length / 64);
        key.weightsDomain = "inferproof/weights/1";
        key.secret = secret;
        key.laneCount = uint32(lanes.length / 64);
        key.lanes = lanes;
    }

    /// @notice A public tensor of one axis.
    function tensor(uint64 elements, int64 lo, int64 hi) internal pure returns (Tensor memory) {
        uint64[] memory shape = new uint64[](1);
        shape[0] = elements;
        return Tensor(PUBLIC, shape, lo, hi, 0x3ff0000000000000);
    }

    /// @notice The program's part.
    function program(Key memory key) internal pure returns (bytes memory) {
        bytes memory head = abi.encodePacked(key.domain, key.version, key.tag, key.k, key.srsId, key.insecure);
        bytes memory points =
            abi.encodePacked(key.fixedCount, key.fixedPoints, key.permutationCount, key.permutationPoints);
        bytes memory tensors =
            abi.encodePacked(key.input.visibility, encoded(key.input), key.output.visibility, encoded(key.output));
        bytes memory numbers = abi.encodePacked(key.words, key.digest);
        return bytes.concat(head, points, numbers, tensors, abi.encodePacked(key.room));
    }

    /// @notice The weights' part.
    function weights(Key memory key) internal pure returns (bytes memory) {
        return abi.encodePacked(key.weightsDomain, key.secret, key.laneCount, key.lanes);
    }

    /// @notice All of it.
    function encode(Key memory key) internal pure returns (bytes memory) {
        return bytes.concat(program(key), weights(key));
    }

    /// @notice The id of its model.
    function idOf(Key memory key) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("inferproof/model/1", keccak256(program(key)), keccak256(weights(key))));
    }

    /// @notice What the verifier computes of a tensor that is committed.
    function headerOf(bytes32 srsId, Tensor memory t) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("inferproof/tensor-header/1", srsId, encoded(t)));
    }

    /// @notice A tensor's specification: rank, shape, bounds and scale.
    function encoded(Tensor memory t) internal pure returns (bytes memory data) {
        data = abi.encodePacked(uint32(t.shape.length));
        for (uint256 i = 0; i < t.shape.length; ++i) {
            data = abi.encodePacked(data, t.shape[i]);
        }
        return abi.encodePacked(data, t.lo, t.hi, t.scale);
    }
}
