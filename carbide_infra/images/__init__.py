"""The images: what each is made of, its tags, and the resources that stand for it."""
