import Foundation

/// Why a classifier cannot be made, or cannot classify.
public enum TextClassifierError: Error, Equatable, Sendable {
    /// The list of models is empty.
    case noModels
    /// The bundle has no model with this name.
    case noModel(named: String)
    /// There is nothing at this URL.
    case missingFile(URL)
    /// The system cannot load the model: it is damaged, or made for a newer system.
    case unreadableModel(URL, reason: String)
    /// The model is an asset of Core AI, which this system or this build of the app does not have.
    case needsCoreAI(URL)
    /// The model's metadata have no value for this key: it is not an export of mlx-finbert.
    case missingMetadata(key: String)
    /// The value of this key in the model's metadata cannot be read.
    case unreadableMetadata(key: String)
    /// The metadata do not describe a tokenizer.
    case tokenizer(TokenizerError)
    /// This model belongs to another export than the first one: this key's value differs.
    case differentExport(URL, key: String)
    /// Two models have rows of this length.
    case duplicateLength(Int)
    /// No model has rows of this length.
    case missingLength(Int)
    /// The model has no such input of the shape that its metadata tell.
    case missingInput(String)
    /// The model has no such output, or one of another shape.
    case missingOutput(String)
    /// A package with several functions needs macOS 15 or iOS 18.
    case functionsNeedNewerSystem
    /// The system cannot run the model.
    case failedPrediction(reason: String)
    /// A probability is not a number.
    case notFinite
    /// Windows cannot share this number of tokens.
    case overlap(Int, most: Int)
    /// The file of golden texts cannot be read.
    case unreadableGolden(URL, reason: String)
    /// The golden texts belong to a model with other labels.
    case differentGolden(labels: [String])
    /// The model is off on the golden texts on all compute units; this is its error on the last.
    case wrongResults(largestError: Double, tolerance: Double)
}

extension TextClassifierError: LocalizedError {
    public var errorDescription: String? {
        switch self {
        case .noModels:
            "The list of models is empty: give at least one."
        case .noModel(let name):
            "The bundle has no model \(name).mlmodelc, \(name)-LENGTH.mlmodelc or"
                + " \(name).aimodel: add the exported models to the target."
        case .missingFile(let url):
            "There is no model at \(url.path): export it again, or correct the path."
        case .unreadableModel(let url, let reason):
            "\(url.lastPathComponent) cannot be loaded (\(reason)): export it again, for this"
                + " system or an older one."
        case .needsCoreAI(let url):
            "\(url.lastPathComponent) needs Core AI: build the app with Xcode 27 and run it on"
                + " macOS 27 or iOS 27, not in the Simulator, or export the model to an .mlpackage."
        case .missingMetadata(let key):
            "The model's metadata lack \(key): export it with mlx-finbert."
        case .unreadableMetadata(let key):
            "The model's metadata have an unreadable value for \(key): export it again."
        case .tokenizer(let error):
            error.localizedDescription
        case .differentExport(let url, let key):
            "\(url.lastPathComponent) is from another export than the first model, by its \(key):"
                + " use packages of one export."
        case .duplicateLength(let length):
            "Two models have rows of \(length) tokens: remove one."
        case .missingLength(let length):
            "No model has rows of \(length) tokens: add that package of the export."
        case .missingInput(let name):
            "The model has no input \(name) of the shape that its metadata tell: export it again."
        case .missingOutput(let name):
            "The model has no output \(name) for its labels: export it again."
        case .functionsNeedNewerSystem:
            "A package with all lengths as functions needs macOS 15 or iOS 18: export it for an"
                + " older system, such as --target iOS16."
        case .failedPrediction(let reason):
            "The model cannot be run (\(reason)): try other compute units."
        case .notFinite:
            "A probability is not a number: try other compute units, or export the model with"
                + " --precision fp32."
        case .overlap(let overlap, let most):
            "The overlap of windows is \(overlap): it must be from 0 to \(most)."
        case .unreadableGolden(let url, let reason):
            "\(url.lastPathComponent) cannot be read (\(reason)): export the model again."
        case .differentGolden(let labels):
            "golden.json is for the labels \(labels.joined(separator: ", ")), not for the model's:"
                + " use the file of the same export."
        case .wrongResults(let error, let tolerance):
            "The model's probabilities are off by \(error) on all compute units, where"
                + " \(tolerance) is allowed: export it with --precision fp32."
        }
    }
}
