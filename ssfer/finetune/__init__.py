"""Fine-tuning: FaceMix on few labelled faces, then a teacher for the others."""
