// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IInferenceVerifier, Inference} from "../IInferenceVerifier.sol";
import {IModelKeys} from "../IModelKeys.sol";

/// @title A verifier that accepts exactly the claims it was told to accept
/// @notice For tests only: anyone can make it accept anything.
contract MockVerifier is IInferenceVerifier, IModelKeys {
    /// @notice A key of no bytes.
    error MockBadKey();

    /// @dev Digests of the claims to accept.
    mapping(bytes32 => bool) private _accepted;
    /// @dev By model, then by whether it is the output's.
    mapping(bytes32 => mapping(bool => bytes32)) private _headers;
    /// @inheritdoc IModelKeys
    mapping(bytes32 => address) public keyPointer;

    /// @notice Accepts this claim from now on.
    function accept(bytes32 modelId, bytes calldata input, bytes calldata output, bytes32 context, bytes calldata proof)
        external
    {
        _accepted[_digest(modelId, input, output, context, proof)] = true;
    }

    /// @notice Gives a model's input and output these headers from now on.
    function setHeaders(bytes32 modelId, bytes32 input, bytes32 output) external {
        (_headers[modelId][false], _headers[modelId][true]) = (input, output);
    }

    /// @inheritdoc IModelKeys
    function storeKey(bytes calldata key) external returns (bytes32 modelId) {
        if (key.length == 0) revert MockBadKey();
        modelId = idOf(key);
        keyPointer[modelId] = address(this);
    }

    /// @inheritdoc IInferenceVerifier
    function verify(bytes32 modelId, bytes calldata input, bytes calldata output, bytes32 context, bytes calldata proof)
        external
        view
    {
        if (!_accepted[_digest(modelId, input, output, context, proof)]) revert InvalidProof();
    }

    /// @inheritdoc IInferenceVerifier
    function tryVerify(
        bytes32 modelId,
        bytes calldata input,
        bytes calldata output,
        bytes32 context,
        bytes calldata proof
    ) external view returns (bool) {
        return _accepted[_digest(modelId, input, output, context, proof)];
    }

    /// @inheritdoc IInferenceVerifier
    function verifyBatch(Inference[] calldata inferences) external view {
        if (inferences.length == 0) revert EmptyBatch();
        for (uint256 i = 0; i < inferences.length; i++) {
            Inference calldata one = inferences[i];
            if (!_accepted[_digest(one.modelId, one.input, one.output, one.context, one.proof)]) revert InvalidProof();
        }
    }

    /// @inheritdoc IInferenceVerifier
    function tensorHeader(bytes32 modelId, bool ofOutput)
        external
        view
        override(IInferenceVerifier, IModelKeys)
        returns (bytes32)
    {
        if (keyPointer[modelId] == address(0)) revert ModelNotStored(modelId);
        return _headers[modelId][ofOutput];
    }

    /// @inheritdoc IInferenceVerifier
    function proofTag() external pure returns (bytes4) {
        return "mock";
    }

    /// @inheritdoc IInferenceVerifier
    function srsId() external pure returns (bytes32) {
        return 0;
    }

    /// @inheritdoc IInferenceVerifier
    function srsDigest() external pure returns (bytes32) {
        return 0;
    }

    /// @inheritdoc IInferenceVerifier
    function insecure() external pure returns (bool) {
        return true;
    }

    /// @notice The id of a key.
    function idOf(bytes calldata key) public pure returns (bytes32) {
        return keccak256(abi.encode("mock model", key));
    }

    /// @dev Names a claim; no two claims share a digest.
    function _digest(
        bytes32 modelId,
        bytes calldata input,
        bytes calldata output,
        bytes32 context,
        bytes calldata proof
    ) private pure returns (bytes32) {
        return keccak256(abi.encode(modelId, keccak256(input), keccak256(output), context, keccak256(proof)));
    }
}
