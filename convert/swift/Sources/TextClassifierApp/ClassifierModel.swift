@preconcurrency import CoreML
import Foundation
import Observation
import TextClassifierKit

/// All that the sample app knows and does. Its views show it and call it.
@available(macOS 14, iOS 17, *)
@MainActor @Observable
public final class ClassifierModel {
    public enum State: Equatable, Sendable {
        case loading
        /// The seconds that loading and the first prediction of every length took, and what
        /// preparing has found.
        case ready(seconds: Double, note: String?)
        case failed(String)
    }

    /// A model and the processors that it may use.
    public struct Wish: Hashable, Sendable {
        public var choice: ModelChoice?
        public var units: Units
    }

    public typealias Loader = @Sendable (ModelChoice, Units) async throws -> any Classifying

    /// The models to choose from.
    public private(set) var choices: [ModelChoice]
    /// What is chosen. Call `load()` after a change.
    public var wish: Wish
    public private(set) var state = State.loading
    public let live: LiveText
    public let table: TableScoring
    public let check = Check()

    @ObservationIgnored private let loader: Loader
    @ObservationIgnored private var loads: (of: Wish, task: Task<any Classifying, any Error>)?

    public init(
        choices: [ModelChoice], live: LiveText = LiveText(), table: TableScoring = TableScoring(),
        loader: @escaping Loader = ClassifierModel.textClassifier
    ) {
        self.choices = choices
        self.live = live
        self.table = table
        self.loader = loader
        wish = Wish(choice: choices.first, units: .all)
    }
}

/// The processors that Core ML may use.
public enum Units: String, CaseIterable, Identifiable, Sendable {
    case all = "All"
    case cpuAndNeuralEngine = "CPU and Neural Engine"
    case cpuAndGPU = "CPU and GPU"
    case cpuOnly = "CPU only"

    public var id: Self { self }

    var coreML: MLComputeUnits {
        switch self {
        case .all: .all
        case .cpuAndNeuralEngine: .cpuAndNeuralEngine
        case .cpuAndGPU: .cpuAndGPU
        case .cpuOnly: .cpuOnly
        }
    }
}

/// Why there is no classifier.
public enum AppError: LocalizedError, Equatable {
    case noModel
    case noGolden

    public var errorDescription: String? {
        switch self {
        case .noModel: "The app holds no model: add the packages of an export, or drop their folder here."
        case .noGolden: "There is no golden.json next to the model: add that of its export."
        }
    }
}

// MARK: - Loading

@available(macOS 14, iOS 17, *)
extension ClassifierModel {
    /// Loads what is chosen and runs every length once, so that no text waits for it.
    ///
    /// Call it again when `wish` changes: the state is always that of the last wish.
    public func load() async {
        let wish = wish
        state = .loading
        let start = ContinuousClock.now
        do {
            let preparation = try await classifier().prepare()
            guard wish == self.wish else { return }
            state = .ready(seconds: seconds(since: start), note: note(on: preparation))
        } catch {
            if wish == self.wish { state = .failed(sentence(about: error)) }
        }
    }

    /// Adds the models of folders to the choices, and chooses the first of them.
    public func addModels(in folders: [URL]) {
        let found = folders.flatMap(ModelChoice.found(in:))
        choices += found.filter { !choices.contains($0) }
        if let first = found.first { wish.choice = first }
    }

    /// Makes a `TextClassifier`.
    public static let textClassifier: Loader = { choice, units in
        var options = TextClassifier.Options()
        options.computeUnits = units.coreML
        return try await TextClassifier(models: choice.models, options: options)
    }

    /// The classifier of the present wish, which is made once, whoever asks; after a failure it is
    /// tried again.
    private func classifier() async throws -> any Classifying {
        let wish = wish
        guard let choice = wish.choice else { throw AppError.noModel }
        if let loads, loads.of == wish { return try await loads.task.value }
        loads?.task.cancel()
        let task = Task { [loader] in try await loader(choice, wish.units) }
        loads = (wish, task)
        do {
            return try await task.value
        } catch {
            if loads?.of == wish { loads = nil }
            throw error
        }
    }
}

// MARK: - What views call

@available(macOS 14, iOS 17, *)
extension ClassifierModel {
    /// What the live result depends on: when it changes, `updateLive` is to be called again.
    public var question: some Hashable & Sendable { [AnyHashable(live.text), AnyHashable(wish)].hashValue }

    public func updateLive() async {
        guard let classifier = try? await classifier() else { return }
        await live.update(with: classifier)
    }
}
