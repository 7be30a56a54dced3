import Foundation

/// A fine-tuned text classifier, exported by mlx-finbert: text in, label out.
///
///     let classifier = try await TextClassifier(named: "FinBERT")
///     let result = try await classifier.classify("Orders rose 12 %.")
///     print(result.label, result.probabilities)
///
/// Labels, rules and vocabulary are in the models' own metadata; there are no other files to add.
/// A model is loaded when a text first needs it, once. Core ML makes one prediction of a model at a
/// time; Core AI also runs those of several tasks together.
public actor TextClassifier {
    /// How models are loaded and run.
    public struct Options: Sendable {
        /// The processors that may run the models. `prepare()` moves on to others where results are
        /// wrong on these.
        public var computeUnits: ComputeUnits
        /// The most texts that are computed together, between which a task can be cancelled.
        public var batchSize: Int
        /// The texts that `prepare()` checks; nil for golden.json next to the first model, if any.
        public var golden: Golden?
        /// The folder of packages compiled at run time; nil for one in Application Support. The
        /// compiled forms of earlier packages stay in it until the app removes them.
        public var compiledModels: URL?

        /// Makes options.
        public init(
            computeUnits: ComputeUnits = .all, batchSize: Int = 32, golden: Golden? = nil,
            compiledModels: URL? = nil
        ) {
            self.computeUnits = computeUnits
            self.batchSize = batchSize
            self.golden = golden
            self.compiledModels = compiledModels
        }
    }

    /// The labels, in the order of the model's outputs.
    public nonisolated let labels: [String]
    /// The numbers of tokens in the models' rows, ascending: a text goes to the shortest that holds
    /// it.
    public nonisolated let lengths: [Int]
    /// The models' tokenizer.
    public nonisolated let tokenizer: Tokenizer
    /// The processors that run the models: those of the options, until `prepare()` moves on.
    public internal(set) var computeUnits: ComputeUnits

    let store: ModelStore
    private let golden: Golden?
    private let first: URL
    private let labelSet: LabelSet
    private let batchSize: Int

    /// Opens models, and loads the first one to read its metadata.
    ///
    /// - Parameters:
    ///   - models: all models of one export, compiled (`.mlmodelc`) or not (`.mlpackage`): one for
    ///     each length, or one for all. Or its asset for Core AI (`.aimodel`).
    ///   - options: how to load and run them.
    public init(models: [URL], options: Options = Options()) async throws {
        let loader = ModelLoader(compiledModels: options.compiledModels)
        let set = try await ModelSet(models, by: loader, on: options.computeUnits)
        labels = set.metadata.labels
        lengths = set.sources.keys.sorted()
        tokenizer = try set.metadata.tokenizer()
        labelSet = LabelSet(set.metadata.labels)
        golden = options.golden
        first = set.first
        store = ModelStore(set, by: loader, on: options.computeUnits)
        computeUnits = options.computeUnits
        batchSize = max(options.batchSize, 1)
    }

    /// Opens the models of a bundle: `NAME` or, for each length, `NAME-32`, `NAME-64` and so on.
    /// Models of Core ML are preferred to an asset of Core AI.
    public init(
        named name: String, in bundle: Bundle = .main, options: Options = Options()
    ) async throws {
        for kind in ModelKind.allCases {
            let urls =
                bundle.urls(forResourcesWithExtension: kind.rawValue, subdirectory: nil) ?? []
            let found = urls.map { $0 as URL }.filter { url in
                let rest = url.deletingPathExtension().lastPathComponent.dropFirst(name.count)
                let isOf = url.lastPathComponent.hasPrefix(name)
                return isOf && (rest.isEmpty || rest.first == "-" && Int(rest.dropFirst()) != nil)
            }
            guard found.isEmpty else {
                try await self.init(models: found, options: options)
                return
            }
        }
        throw TextClassifierError.noModel(named: name)
    }

    /// Classifies a text.
    ///
    /// - Parameters:
    ///   - text: any text, also an empty one.
    ///   - longTexts: what happens to the end of a text that is longer than the longest row.
    public func classify(
        _ text: String, longTexts: LongTexts = .cut
    ) async throws -> Classification {
        let rows = try longTexts.rows(of: text, length: longest, by: tokenizer)
        return classification(rows, try await probabilities(of: rows.rows)[...])
    }

    /// Classifies texts; the results are in the order of the texts.
    ///
    /// Texts of similar length are computed together. A cancelled task ends with
    /// `CancellationError` after the current batch.
    public func classify(
        _ texts: [String], longTexts: LongTexts = .cut
    ) async throws -> [Classification] {
        let texts = try texts.map { text in
            try longTexts.rows(of: text, length: longest, by: tokenizer)
        }
        var rest = try await probabilities(of: texts.flatMap(\.rows))[...]
        return texts.map { text in
            defer { rest = rest.dropFirst(text.rows.count) }
            return classification(text, rest.prefix(text.rows.count))
        }
    }

    /// Splits a text into sentences, and classifies each.
    ///
    /// - Parameters:
    ///   - document: an English text, such as a news story.
    ///   - longTexts: what happens to the end of a sentence that is longer than the longest row.
    public func classify(
        document: String, longTexts: LongTexts = .cut
    ) async throws -> Document {
        let sentences = splitSentences(document)
        let found = try await classify(sentences, longTexts: longTexts)
        return Document(
            zip(sentences, found).map { Document.Sentence(text: $0, classification: $1) },
            labels: labelSet)
    }

    /// The probabilities of rows of token ids, in their order.
    ///
    /// Each goes to the shortest model that holds it.
    private func probabilities(of rows: [[Int32]]) async throws -> [[Double]] {
        var found = [[Double]](repeating: [], count: rows.count)
        let byLength = Dictionary(grouping: rows.indices) { row in
            lengths.first { $0 >= rows[row].count } ?? longest
        }
        for (length, members) in byLength.sorted(by: { $0.key < $1.key }) {
            let model = try await store.model(length, on: computeUnits)
            for start in stride(from: 0, to: members.count, by: batchSize) {
                try Task.checkCancellation()
                let batch = members[start..<min(start + batchSize, members.count)]
                let results = try await model.probabilities(
                    of: batch.map { rows[$0] }, length: length, paddingID: tokenizer.paddingID)
                for (row, result) in zip(batch, results) { found[row] = result }
            }
        }
        return found
    }

    /// The texts to check: those of the options, or in the file next to the first model.
    func goldenTexts() throws -> Golden? {
        try golden ?? Golden(nextTo: first)
    }

    private func classification(
        _ text: TextRows, _ probabilities: ArraySlice<[Double]>
    ) -> Classification {
        labelSet.classification(
            text.mean(probabilities), tokens: text.tokens, isTruncated: text.isTruncated)
    }

    /// The tokens of the longest row.
    private var longest: Int { lengths.last ?? 0 }
}
