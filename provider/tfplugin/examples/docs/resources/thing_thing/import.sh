terraform import thing_thing.example thing/example
