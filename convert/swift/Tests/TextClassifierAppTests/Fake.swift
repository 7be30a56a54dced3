import Foundation

@testable import TextClassifierApp
@testable import TextClassifierKit

/// A classifier of tests: a text with "rose" is positive, one with "fell" negative.
actor Fake: Classifying {
    nonisolated let labels = ["negative", "neutral", "positive"]
    private(set) var asked: [[String]] = []
    private(set) var preparations = 0
    private let gate: Gate?
    private let failing: String?
    private let fallback: Bool

    /// - Parameters:
    ///   - gate: where every call waits.
    ///   - failing: the text that cannot be classified.
    ///   - fallback: whether preparing moves on to the GPU.
    init(gate: Gate? = nil, failing: String? = nil, fallback: Bool = false) {
        self.gate = gate
        self.failing = failing
        self.fallback = fallback
    }

    func classify(_ text: String, longTexts: LongTexts) async throws -> Classification {
        try await classify([text], longTexts: longTexts)[0]
    }

    func classify(_ texts: [String], longTexts: LongTexts) async throws -> [Classification] {
        asked.append(texts)
        await gate?.pass()
        try Task.checkCancellation()
        if let failing, texts.contains(failing) { throw TextClassifierError.notFinite }
        return texts.map(result)
    }

    func prepare() async throws -> Preparation {
        preparations += 1
        await gate?.pass()
        return fallback ? .onGPU : .asAsked
    }

    func check(_ golden: Golden) async throws -> CheckReport { .fake(texts: golden.texts.count) }

    private func result(_ text: String) -> Classification {
        let (up, down) = (text.contains("rose"), text.contains("fell"))
        let probabilities = [
            "negative": down ? 0.7 : 0.1, "neutral": up || down ? 0.2 : 0.8,
            "positive": up ? 0.7 : 0.1,
        ]
        let label = up ? "positive" : down ? "negative" : "neutral"
        let score = (probabilities["positive"] ?? 0) - (probabilities["negative"] ?? 0)
        return Classification(
            label: label, probabilities: probabilities, score: score, tokens: text.utf8.count,
            isTruncated: text.utf8.count > 40)
    }
}

/// Holds tasks until it is opened.
actor Gate {
    private var isOpen = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private(set) var arrivals = 0

    func pass() async {
        arrivals += 1
        if !isOpen { await withCheckedContinuation { waiting.append($0) } }
    }

    func open() {
        isOpen = true
        waiting.forEach { $0.resume() }
        waiting = []
    }

    /// Waits until this number of tasks has come.
    func reached(by count: Int) async {
        while arrivals < count { await Task.yield() }
    }
}

extension Preparation {
    static let asAsked = Preparation(
        computeUnits: .all, attempts: [Attempt(computeUnits: .all, largestError: 0.001)],
        milliseconds: 1)
    static let onGPU = Preparation(
        computeUnits: .cpuAndGPU,
        attempts: [
            Attempt(computeUnits: .all, largestError: 0.4),
            Attempt(computeUnits: .cpuAndGPU, largestError: 0.001),
        ], milliseconds: 1)
}

extension CheckReport {
    static func fake(texts: Int) -> CheckReport {
        CheckReport(
            texts: texts, wrongIDs: [], wrongLabels: ["odd"], largestError: 0.5, tolerance: 0.002,
            computeUnits: .all, milliseconds: [32: 1.5])
    }
}

/// A new folder that is removed at the end.
final class Folder {
    let url = FileManager.default.temporaryDirectory
        .appendingPathComponent(UUID().uuidString, isDirectory: true)

    init() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    func write(_ text: String, to name: String) throws -> URL {
        let file = url.appendingPathComponent(name)
        try Data(text.utf8).write(to: file)
        return file
    }

    func makeFolder(_ name: String) throws -> URL {
        let folder = url.appendingPathComponent(name, isDirectory: true)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }
}
