import Foundation
import TextClassifierKit

/// Measures as a worker of `scripts/bench`: a line of JSON with the seconds that loading takes,
/// then for each line of standard input a line with the seconds for all texts.
///
/// The seconds are this process's on a CPU, which other processes hardly change.
struct Stopwatch {
    private let tokenizer: Tokenizer
    private let texts: [String]
    private let loading: Double

    init(metadata: [String: String], texts: [String]) throws {
        let start = Self.now
        tokenizer = try Tokenizer(metadata: metadata)
        loading = Self.now - start
        self.texts = texts
    }

    func answerLines() throws {
        try answer(["loading": loading])
        while readLine() != nil {
            let start = Self.now
            let ids = texts.reduce(0) { $0 + tokenizer.encode($1).inputIDs.count }
            try answer(["seconds": Self.now - start, "ids": Double(ids)])
        }
    }

    private func answer(_ values: [String: Double]) throws {
        try FileHandle.standardOutput.write(
            contentsOf: JSONEncoder().encode(values) + Data("\n".utf8))
    }

    private static var now: Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
