import TextClassifierKit

print(TokenizerError.missing(key: "mlx_finbert.tokenizer"))
