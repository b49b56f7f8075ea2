// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IModelKeys} from "./IModelKeys.sol";
import {InferenceChain} from "./InferenceChain.sol";

/// @title Names, versions and deprecation of models
/// @notice What owners say about models. Each owner has entries of their own: nobody can take a place in front of another, nor
/// change another's entry. Names are not unique and prove nothing: trust an owner's address.
/// @dev Verification does not need the registry and does not look at it. A deprecated model still verifies: consumers who care ask
/// `isDeprecated`. Entries cannot be handed over.
contract ModelRegistry {
    /// @notice An entry: one model of one owner.
    /// @param name The name of the line that the model is a version of.
    /// @param previous The version before, or zero.
    /// @param next The version after, or zero.
    /// @param registeredAt When it was registered, in Unix time.
    /// @param deprecated Whether the owner advises against it.
    struct Entry {
        string name;
        bytes32 previous;
        bytes32 next;
        uint64 registeredAt;
        bool deprecated;
    }

    /// @dev An entry as stored.
    /// @param first The first version of its line: the line's id. Zero if there is no entry.
    /// @param previous As in `Entry`.
    /// @param next As in `Entry`.
    /// @param registeredAt As in `Entry`.
    /// @param deprecated As in `Entry`.
    struct Record {
        bytes32 first;
        bytes32 previous;
        bytes32 next;
        uint64 registeredAt;
        bool deprecated;
    }

    /// @dev What all versions of a model share.
    /// @param latest The newest version.
    /// @param name The name.
    struct Line {
        bytes32 latest;
        string name;
    }

    /// @notice There is no code at the verifier's address.
    error NoVerifier(address verifier);
    /// @notice A name has 1 to `MAX_NAME` bytes.
    error InvalidName(uint256 length);
    /// @notice The owner has an entry for this model.
    error AlreadyRegistered(address owner, bytes32 modelId);
    /// @notice The owner has no entry for this model.
    error NotRegistered(address owner, bytes32 modelId);
    /// @notice `modelId` has a newer version; name `latest` as the previous one.
    error NotLatest(bytes32 modelId, bytes32 latest);
    /// @notice The owner has deprecated this model before.
    error AlreadyDeprecated(bytes32 modelId);

    /// @notice `owner` starts a line of versions.
    event Registered(address indexed owner, bytes32 indexed modelId, string name);
    /// @notice `owner` adds to a line: `modelId` comes after `previous`.
    event VersionRegistered(address indexed owner, bytes32 indexed modelId, bytes32 indexed previous);
    /// @notice `owner` advises against `modelId`.
    event Deprecated(address indexed owner, bytes32 indexed modelId);

    /// @notice The longest name, in bytes.
    uint256 public constant MAX_NAME = 64;

    /// @notice Checks and stores the keys, and computes their ids.
    IModelKeys public immutable verifier;

    /// @dev By owner, then by model.
    mapping(address => mapping(bytes32 => Record)) private _records;
    /// @dev By owner, then by the line's first version.
    mapping(address => mapping(bytes32 => Line)) private _lines;

    /// @param verifier_ The verifier that the models are for.
    constructor(IModelKeys verifier_) {
        if (address(verifier_).code.length == 0) revert NoVerifier(address(verifier_));
        verifier = verifier_;
    }

    /// @notice Registers a model as the first version of a line.
    /// @dev Stores the key in the verifier if it is not there. Reverts as `storeKey` does if the key is bad.
    /// @param key The key's bytes.
    /// @param name The line's name.
    /// @return modelId The id, computed by the verifier.
    function register(bytes calldata key, string calldata name) external returns (bytes32 modelId) {
        modelId = verifier.storeKey(key);
        _start(modelId, name);
    }

    /// @notice Registers a model as the version after the caller's latest one of a line: new weights, or a new program.
    /// @dev Stores the key as `register` does. A deprecated model may have a next version.
    /// @param key The key's bytes.
    /// @param previous The latest version.
    /// @return modelId The id, computed by the verifier.
    function registerVersion(bytes calldata key, bytes32 previous) external returns (bytes32 modelId) {
        modelId = verifier.storeKey(key);
        _continue(modelId, previous);
    }

    /// @notice Registers a network in segments as the first version of a line. Its id takes a model id's place in everything else here.
    /// @dev The keys of all segments have to be stored, and to fit together.
    /// @param models The segments' model ids.
    /// @param name The line's name.
    /// @return chainId The id, see `InferenceChain.id`.
    function registerChain(bytes32[] calldata models, string calldata name) external returns (bytes32 chainId) {
        chainId = _checkedChain(models);
        _start(chainId, name);
    }

    /// @notice Registers a network in segments as the version after the caller's latest one of a line.
    /// @param models The segments' model ids.
    /// @param previous The latest version, a chain or a model.
    /// @return chainId The id.
    function registerChainVersion(bytes32[] calldata models, bytes32 previous) external returns (bytes32 chainId) {
        chainId = _checkedChain(models);
        _continue(chainId, previous);
    }

    /// @notice Advises against a model of the caller's, for good.
    /// @param modelId The model. Its other versions stay as they are.
    function deprecate(bytes32 modelId) external {
        Record storage record = _record(msg.sender, modelId);
        if (record.deprecated) revert AlreadyDeprecated(modelId);
        record.deprecated = true;
        emit Deprecated(msg.sender, modelId);
    }

    /// @notice An owner's entry for a model. Reverts if there is none.
    /// @param owner The owner.
    /// @param modelId The model.
    /// @return The entry.
    function entry(address owner, bytes32 modelId) external view returns (Entry memory) {
        Record storage record = _record(owner, modelId);
        return Entry({
            name: _lines[owner][record.first].name,
            previous: record.previous,
            next: record.next,
            registeredAt: record.registeredAt,
            deprecated: record.deprecated
        });
    }

    /// @notice The newest version of a model. Reverts if the owner has no entry for it. Costs the same however long the line is.
    /// @param owner The owner.
    /// @param modelId Any version.
    /// @return The newest version, which may be deprecated.
    function latest(address owner, bytes32 modelId) external view returns (bytes32) {
        return _lines[owner][_record(owner, modelId).first].latest;
    }

    /// @notice Whether an owner advises against a model. Reverts if the owner has no entry for it: silence is no approval.
    /// @param owner The owner.
    /// @param modelId The model.
    /// @return Whether it is deprecated.
    function isDeprecated(address owner, bytes32 modelId) external view returns (bool) {
        return _record(owner, modelId).deprecated;
    }

    /// @notice Whether an owner has an entry for a model. Never reverts.
    /// @param owner The owner.
    /// @param modelId The model.
    /// @return Whether there is an entry.
    function isRegistered(address owner, bytes32 modelId) external view returns (bool) {
        return _records[owner][modelId].first != bytes32(0);
    }

    /// @dev The id of a chain whose segments' keys are stored and fit together.
    /// @param models The segments' model ids.
    /// @return The id.
    function _checkedChain(bytes32[] calldata models) private view returns (bytes32) {
        InferenceChain.check(verifier, models);
        return InferenceChain.id(models);
    }

    /// @dev Adds the first version of a line.
    /// @param modelId The model or chain.
    /// @param name The line's name.
    function _start(bytes32 modelId, string calldata name) private {
        uint256 length = bytes(name).length;
        if (length == 0 || length > MAX_NAME) revert InvalidName(length);
        _add(modelId, modelId, bytes32(0));
        _lines[msg.sender][modelId] = Line({latest: modelId, name: name});
        emit Registered(msg.sender, modelId, name);
    }

    /// @dev Adds a version to a line.
    /// @param modelId The model or chain.
    /// @param previous The latest version.
    function _continue(bytes32 modelId, bytes32 previous) private {
        Record storage old = _record(msg.sender, previous);
        Line storage line = _lines[msg.sender][old.first];
        if (old.next != bytes32(0)) revert NotLatest(previous, line.latest);
        _add(modelId, old.first, previous);
        old.next = modelId;
        line.latest = modelId;
        emit VersionRegistered(msg.sender, modelId, previous);
    }

    /// @dev Adds an entry of the caller's.
    /// @param modelId The model.
    /// @param first Its line.
    /// @param previous The version before, or zero.
    function _add(bytes32 modelId, bytes32 first, bytes32 previous) private {
        Record storage record = _records[msg.sender][modelId];
        if (record.first != bytes32(0)) revert AlreadyRegistered(msg.sender, modelId);
        record.first = first;
        record.previous = previous;
        record.registeredAt = uint64(block.timestamp);
    }

    /// @dev The owner's entry as stored. Reverts if there is none.
    /// @param owner The owner.
    /// @param modelId The model.
    /// @return record The entry.
    function _record(address owner, bytes32 modelId) private view returns (Record storage record) {
        record = _records[owner][modelId];
        if (record.first == bytes32(0)) revert NotRegistered(owner, modelId);
    }
}
