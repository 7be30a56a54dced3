import Foundation
import Observation
import TextClassifierKit

/// A CSV file whose texts are classified.
@available(macOS 14, iOS 17, *)
@MainActor @Observable
public final class TableScoring {
    /// How far it is.
    public enum State: Equatable, Sendable {
        /// There is no table.
        case empty
        /// A table is read, and not scored.
        case opened
        /// This number of rows is done.
        case scoring(done: Int, of: Int)
        /// Scoring was ended after this number of rows.
        case stopped(done: Int, of: Int)
        /// All rows are done.
        case scored
        /// Something failed, for this reason.
        case failed(String)
    }

    /// How far it is.
    public private(set) var state = State.empty
    /// The table as it was read.
    public private(set) var table: CSV?
    /// The file's name, without its ending.
    public private(set) var name = ""
    /// The index of the column with the texts.
    public var textColumn = 0 {
        didSet { if textColumn != oldValue { forgetResults() } }
    }
    /// The table with the new columns, once all rows are scored.
    public private(set) var scored: CSV?

    /// Texts of one call to the classifier, after which progress is shown.
    @ObservationIgnored private let step: Int
    @ObservationIgnored private var opening: URL?
    @ObservationIgnored private var running: Task<Void, Never>?

    /// Makes one without a table.
    public init(step: Int = 64) { self.step = step }

    /// Whether scoring is under way.
    public var isScoring: Bool {
        if case .scoring = state { true } else { false }
    }

    /// Reads a file. A failure is shown, and the table of before is gone. Where another file is
    /// opened meanwhile, this one is dropped.
    public func open(_ file: URL) async {
        cancel()
        (table, scored, state, opening) = (nil, nil, .empty, file)
        name = file.deletingPathExtension().lastPathComponent
        let found = await TableScoring.read(file)
        guard opening == file else { return }
        switch found {
        case .success(let found):
            textColumn = found.likelyTextColumn
            (table, state) = (found, .opened)
        case .failure(let error):
            state = .failed(sentence(about: error))
        }
    }

    /// Classifies all rows. Without effect where there is no table or scoring is under way.
    @discardableResult
    func start(with classifier: any Classifying) -> Task<Void, Never>? {
        guard let table, !isScoring else { return nil }
        scored = nil
        state = .scoring(done: 0, of: table.rows.count)
        let task = Task { await score(table, column: textColumn, with: classifier) }
        running = task
        return task
    }

    /// Stops after the texts under way.
    public func cancel() {
        running?.cancel()
        running = nil
        if case .scoring(let done, let all) = state { state = .stopped(done: done, of: all) }
    }

    /// Shows why a file could not be opened, scored or written.
    public func fail(with error: any Error) { state = .failed(sentence(about: error)) }

    /// The state in words.
    public var stateText: String {
        switch state {
        case .empty: "Drop a CSV file, or open one."
        case .opened: "\(name): \(table?.rows.count ?? 0) rows"
        case .scoring(let done, let all): "\(name): \(done) of \(all) rows"
        case .stopped(let done, let all): "\(name): stopped after \(done) of \(all) rows"
        case .scored: "\(name): \(table?.rows.count ?? 0) rows scored"
        case .failed(let reason): reason
        }
    }

    private func score(_ table: CSV, column: Int, with classifier: any Classifying) async {
        let texts = table.rows.map { $0[column] }
        var results = [Classification?](repeating: nil, count: texts.count)
        do {
            for start in stride(from: 0, to: texts.count, by: step) {
                let part = start..<min(start + step, texts.count)
                let asked = part.filter { !isBlank(texts[$0]) }
                let found = try await classifier.classify(asked.map { texts[$0] }, longTexts: .cut)
                try Task.checkCancellation()
                for (i, result) in zip(asked, found) { results[i] = result }
                state = .scoring(done: part.upperBound, of: texts.count)
            }
            scored = ScoredTable(labels: classifier.labels, results: results).added(to: table)
            state = .scored
        } catch {
            // After `cancel` the state may already be that of another file.
            if !Task.isCancelled { state = .failed(sentence(about: error)) }
        }
    }

    private func forgetResults() {
        guard table != nil else { return }
        cancel()
        (scored, state) = (nil, .opened)
    }

    /// Reads and splits a file away from the main actor: it may be large.
    private nonisolated static func read(_ file: URL) async -> Result<CSV, any Error> {
        Result { try CSV(Data(contentsOf: file)) }
    }
}
