import CryptoKit
import Foundation
import Testing

@testable import TextClassifierKit

@Suite("Metadata") struct MetadataTests {
    @Test func everythingComesFromTheMetadata() throws {
        let found = try ModelMetadata(metadata)
        #expect(found.labels == ["positive", "negative"])
        #expect(found.lengths == [8, 32])
        #expect(found.batch == 1 && found.hasFunctions && !found.takesAllLengths && !found.isAsset)
        #expect(try found.tokenizer().encode("A, b").inputIDs == [2, 4, 1, 5, 3])
    }

    @Test func anAssetTakesAllItsLengths() throws {
        var values = metadata
        values["mlx_finbert.options"] = #"{"format": "aimodel", "precision": "fp16"}"#
        let found = try ModelMetadata(values)
        #expect(found.isAsset && found.takesAllLengths && !found.hasFunctions)
        #expect(found.lengths == [8, 32] && found.batch == 1)
    }

    @Test("A missing key is named", arguments: ["labels", "lengths", "options"])
    func missing(name: String) {
        var values = metadata
        values["mlx_finbert.\(name)"] = nil
        #expect(throws: TextClassifierError.missingMetadata(key: "mlx_finbert.\(name)")) {
            try ModelMetadata(values)
        }
    }

    @Test(
        "An unreadable value is named",
        arguments: [
            ("labels", "[]"), ("labels", "positive"), ("labels", "[1]"),
            ("lengths", "[2]"), ("lengths", "[]"),
            ("lengths", "32"), ("options", "{}"), ("options", "[]"),
            ("options", "{\"format\": \"of tomorrow\"}"),
            ("options", "{\"batch\": 0, \"multifunction\": false, \"shapes\": \"fixed\"}"),
        ])
    func unreadable(name: String, value: String) {
        var values = metadata
        values["mlx_finbert.\(name)"] = value
        #expect(throws: TextClassifierError.unreadableMetadata(key: "mlx_finbert.\(name)")) {
            try ModelMetadata(values)
        }
    }

    @Test func anotherExportIsKnownByItsKey() throws {
        let one = try ModelMetadata(metadata)
        var values = metadata
        values["mlx_finbert.lengths"] = "[64]"
        #expect(try ModelMetadata(values).differingKey(from: one) == nil)
        values["mlx_finbert.source_sha256"] = "another"
        #expect(
            try ModelMetadata(values).differingKey(from: one) == "mlx_finbert.source_sha256")
    }
}

@Suite("Opening") struct OpeningTests {
    @Test func noModels() async {
        await #expect(throws: TextClassifierError.noModels) { try await TextClassifier(models: []) }
    }

    @Test func aMissingFileIsNamed() async {
        let url = URL(fileURLWithPath: "/nowhere/FinBERT-32.mlpackage")
        await #expect(throws: TextClassifierError.missingFile(url)) {
            try await TextClassifier(models: [url])
        }
    }

    @Test func aMissingNameIsNamed() async {
        await #expect(throws: TextClassifierError.noModel(named: "FinBERT")) {
            try await TextClassifier(named: "FinBERT")
        }
    }

    @Test func fallbacksEndWithTheCPU() {
        #expect(ComputeUnits.all.withFallbacks == [.all, .cpuAndGPU, .cpuOnly])
        #expect(ComputeUnits.cpuOnly.withFallbacks == [.cpuOnly])
    }

    @Test func theHashOfCryptoKit() {
        let digest = SHA256.hash(data: Data("abc".utf8)).map { $0 }
        #expect(digest.prefix(4) == [0xba, 0x78, 0x16, 0xbf])
        #expect(digest.suffix(4) == [0xf2, 0x00, 0x15, 0xad])
        var hash = SHA256()
        for _ in 0..<10 { hash.update(data: Data(repeating: 97, count: 100_000)) }
        #expect(Array(hash.finalize()).prefix(4) == [0xcd, 0xc7, 0x6e, 0x5c])
    }
}
