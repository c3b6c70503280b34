"""Networks and weights; torch and safetensors only, nothing of cinema_cli."""
