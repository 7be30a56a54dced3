// swift-tools-version: 6.0
// Written by mlx_finbert.convert.$command.
import PackageDescription

let package = Package(
    name: "$package",
    platforms: [.macOS("$macos"), .iOS("$ios")],
    products: [
        .library(name: "TextClassifierKit", targets: ["TextClassifierKit"]),
        .library(name: "TextClassifierApp", targets: ["TextClassifierApp"]),
        .executable(name: "classify", targets: ["classify"]),
    ],
    targets: [
        .target(
            name: "TextClassifierKit",
            resources: [
                .process("Resources/PrivacyInfo.xcprivacy"),
$resources
            ]
        ),
        .target(name: "TextClassifierApp", dependencies: ["TextClassifierKit"]),
        .executableTarget(name: "classify", dependencies: ["TextClassifierKit"]),
        .testTarget(name: "GoldenTests", dependencies: ["TextClassifierKit", "TextClassifierApp"]),
    ]
)
