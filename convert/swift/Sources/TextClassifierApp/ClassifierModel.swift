import Foundation
import Observation
import TextClassifierKit

/// All that the sample app knows and does. Its views show it and call it.
@available(macOS 14, iOS 17, *)
@MainActor @Observable
public final class ClassifierModel {
    /// How loading goes.
    public enum State: Equatable, Sendable {
        /// It is under way.
        case loading
        /// The seconds that loading and the first prediction of every length took, and what
        /// preparing has found.
        case ready(seconds: Double, note: String?)
        /// It failed, for this reason.
        case failed(String)
    }

    /// A model and the processors that may run it.
    public struct Wish: Hashable, Sendable {
        /// The model; nil if there is none.
        public var choice: ModelChoice?
        /// The processors.
        public var computeUnits = ComputeUnits.all
    }

    /// Makes a classifier.
    public typealias Loader = @Sendable (ModelChoice, ComputeUnits) async throws -> any Classifying

    /// The models to choose from.
    public private(set) var choices: [ModelChoice]
    /// What is chosen. Call `load()` after a change.
    public var wish: Wish
    /// How loading goes.
    public private(set) var state = State.loading
    /// What is to be said of the last drop.
    public private(set) var notice: String?
    /// The text that is classified while it is typed.
    public let live: LiveText
    /// The CSV file.
    public let table: TableScoring
    /// The golden texts on this machine.
    public let check = Check()

    @ObservationIgnored private let loader: Loader
    @ObservationIgnored private var loads: (of: Wish, task: Task<any Classifying, any Error>)?

    /// Makes the model of an app; nothing is loaded yet.
    public init(
        choices: [ModelChoice], live: LiveText = LiveText(), table: TableScoring = TableScoring(),
        loader: @escaping Loader = ClassifierModel.textClassifier
    ) {
        self.choices = choices
        self.live = live
        self.table = table
        self.loader = loader
        wish = Wish(choice: choices.first)
    }
}

extension ComputeUnits {
    /// The name in a menu.
    public var title: String {
        switch self {
        case .all: "All processors"
        case .cpuAndNeuralEngine: "CPU and Neural Engine"
        case .cpuAndGPU: "CPU and GPU"
        case .cpuOnly: "CPU only"
        }
    }
}

/// Why there is no classifier.
public enum AppError: LocalizedError, Equatable {
    /// The app holds no model.
    case noModel
    /// There is no golden.json next to the model.
    case noGolden

    /// A sentence for a person.
    public var errorDescription: String? {
        switch self {
        case .noModel:
            "The app holds no model: add the models of an export, or drop their folder here."
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
            guard wish == self.wish, !Task.isCancelled else { return }
            state = .ready(
                seconds: start.duration(to: .now) / .seconds(1), note: note(on: preparation))
        } catch {
            if wish == self.wish, !Task.isCancelled { state = .failed(sentence(about: error)) }
        }
    }

    private func note(on preparation: Preparation) -> String? {
        guard preparation.isFallback else { return nil }
        return "Results were wrong on other processors, so it runs on: "
            + "\(preparation.computeUnits.title)."
    }

    /// Makes a `TextClassifier`.
    public static let textClassifier: Loader = { choice, computeUnits in
        let options = TextClassifier.Options(computeUnits: computeUnits)
        return try await TextClassifier(models: choice.models, options: options)
    }

    /// The classifier of the present wish, which is made once, whoever asks; after a failure it is
    /// tried again.
    private func classifier() async throws -> any Classifying {
        let wish = wish
        guard let choice = wish.choice else { throw AppError.noModel }
        if let loads, loads.of == wish { return try await loads.task.value }
        loads?.task.cancel()
        let task = Task { [loader] in try await loader(choice, wish.computeUnits) }
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
    /// What the live result depends on: when it changes, `updateLive()` is to be called again.
    public struct Question: Hashable, Sendable {
        /// Bytes, as texts that look alike are equal to `String`, though not to every tokenizer.
        let text: [UInt8]
        let wish: Wish
    }

    /// The question of this moment.
    public var question: Question { Question(text: Array(live.text.utf8), wish: wish) }

    /// Classifies the text of this moment. Cancel it when `question` changes.
    public func updateLive() async {
        await live.update { text in try await self.classify(text) }
    }

    /// Classifies a text, for Shortcuts.
    public func classify(_ text: String) async throws -> Classification {
        try await classifier().classify(text, longTexts: .cut)
    }

    /// Takes dropped files: a table, or models and folders of them, the first of which is chosen.
    public func open(_ files: [URL]) async {
        let tables = files.filter { ["csv", "tsv", "txt"].contains($0.pathExtension.lowercased()) }
        let models = files.filter(ModelChoice.isModel)
        let folders = files.filter { !tables.contains($0) && !models.contains($0) }
        let found = ModelChoice.found(among: models) + folders.flatMap(ModelChoice.found(in:))
        choices += found.filter { !choices.contains($0) }
        if let first = found.first { wish.choice = first }
        if let first = tables.first { await table.open(first) }
        let isUnknown = tables.isEmpty && found.isEmpty && !files.isEmpty
        notice =
            isUnknown
            ? "Drop a CSV file, .mlpackage or .aimodel folders, or the folder of an export." : nil
    }

    /// Classifies the rows of the table.
    public func scoreTable() async {
        do {
            table.start(with: try await classifier())
        } catch {
            table.fail(with: error)
        }
    }

    /// Runs the golden texts of the chosen model on this machine.
    public func runCheck() async {
        await check.run(wish) {
            let classifier = try await self.classifier()
            guard let url = self.wish.choice?.golden else { throw AppError.noGolden }
            return try await classifier.check(try Golden(contentsOf: url))
        }
    }

    /// How loading goes, in words.
    public var stateText: String {
        switch state {
        case .loading: "Loading the model and running each length once…"
        case .ready(let seconds, let note):
            "Ready after \(String(format: "%.1f", seconds)) s" + (note.map { ". \($0)" } ?? "")
        case .failed(let reason): reason
        }
    }
}
