import Foundation
import Testing

@testable import TextClassifierKit

/// What is said of an asset of Core AI that cannot be opened. Whole ones are opened by the tests in
/// Python, which make them.
@Suite("Assets of Core AI") struct AssetTests {
    private let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent(UUID().uuidString)

    /// An asset without a program.
    private func asset(_ values: [String: String]?) throws -> URL {
        let asset = folder.appendingPathComponent("FinBERT.aimodel")
        try FileManager.default.createDirectory(at: asset, withIntermediateDirectories: true)
        if let values {
            let data = try JSONSerialization.data(
                withJSONObject: ["creatorDefinedMetadata": values])
            try data.write(to: asset.appendingPathComponent("metadata.json"))
        }
        return asset
    }

    private func thrown(by model: URL) async -> TextClassifierError? {
        defer { try? FileManager.default.removeItem(at: folder) }
        do {
            _ = try await TextClassifier(models: [model])
            return nil
        } catch {
            return error as? TextClassifierError
        }
    }

    @Test func modelsAreKnownByTheirExtension() {
        let kinds = ["x.mlmodelc", "x.mlpackage", "x.aimodel", "x.json", "aimodel"].map {
            ModelKind(of: URL(fileURLWithPath: "/\($0)"))
        }
        #expect(kinds == [.compiled, .package, .asset, nil, nil])
    }

    @Test func withoutCoreAITheSentenceNamesTheRemedy() {
        let error = TextClassifierError.needsCoreAI(URL(fileURLWithPath: "/app/FinBERT.aimodel"))
        let sentence = error.localizedDescription
        #expect(sentence.hasPrefix("FinBERT.aimodel needs Core AI: build the app "))
        #expect(sentence.hasSuffix("or export the model to an .mlpackage."))
    }

    #if canImport(CoreAI) && os(Linux)
        // What Apple's framework says of half an asset is not known.

        @Test func aFolderWithoutMetadataIsNamed() async throws {
            let error = await thrown(by: try asset(nil))
            guard case .unreadableModel(let url, _)? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(url.lastPathComponent == "FinBERT.aimodel")
        }

        @Test func anAssetOfSomeoneElseIsRefused() async throws {
            let error = await thrown(by: try asset(["author": "someone"]))
            #expect(error == .missingMetadata(key: "mlx_finbert.labels"))
        }

        @Test func theMetadataOfAPackageAreRefused() async throws {
            let error = await thrown(by: try asset(metadata))
            #expect(error == .unreadableMetadata(key: "mlx_finbert.options"))
        }
    #elseif !canImport(CoreAI)
        @Test func anAssetNeedsCoreAI() async throws {
            let model = try asset(metadata)
            #expect(await thrown(by: model) == .needsCoreAI(model))
        }
    #endif
}
