"""How a trained network bears worse pictures: corruptions of five strengths, and adversarial noise."""
